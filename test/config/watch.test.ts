import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { watchConfig } from '../../src/config/watch.ts'
import { until } from '../helpers/until.ts'
import { CONFIG, configFolder, MAP } from './config-folder.ts'

interface Seen {
  readonly changes: Config[]
  readonly refusals: string[]
}

async function watched(t: Test, folder: string, pollMs?: number) {
  const paths = configFolder(folder)
  const seen: Seen = { changes: [], refusals: [] }
  const config = await loadConfig(paths.config)
  const watch = watchConfig(
    config,
    {
      onChange: (changed) => seen.changes.push(changed),
      onRefused: (error) => seen.refusals.push(error.message),
    },
    pollMs === undefined ? {} : { pollMs },
  )
  t.teardown(() => watch.close())
  return { paths, seen, config, watch }
}

const CHANGED = CONFIG.replace('/hello,', '/hi,')
const GROWN = MAP.replace('epoch: 1', 'epoch: 2').replace(
  'fronts:',
  '  - { id: n3, host: 127.0.0.1, gossip: 17103, data: 17203, admin: 17303 }\nfronts:',
)

t.test('notices a file that is written in place', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  writeFileSync(paths.config, CHANGED)
  await until('the change is seen', () => seen.changes.length === 1)
  t.equal(seen.changes[0]?.routes[0]?.path, '/hi')
  t.strictSame(seen.refusals, [])
})

t.test('notices a file that is replaced, again and again', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  for (const [index, path] of ['/a', '/b', '/c'].entries()) {
    writeFileSync(`${paths.config}.new`, CONFIG.replace('/hello,', `${path},`))
    renameSync(`${paths.config}.new`, paths.config)
    await until('the change is seen', () => seen.changes.length === index + 1)
    t.equal(seen.changes[index]?.routes[0]?.path, path)
  }
})

t.test('notices a change of the map', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  writeFileSync(paths.map, GROWN)
  await until('the change is seen', () => seen.changes.length === 1)
  t.strictSame(
    seen.changes[0]?.map.nodes.map((node) => node.id),
    ['n1', 'n2', 'n3'],
  )
})

t.test('refuses a broken change, and takes the repaired one over', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  writeFileSync(paths.config, `${CONFIG}fornt: {}\n`)
  await until('the refusal is seen', () => seen.refusals.length === 1)
  t.match(seen.refusals[0], /fornt: is not a known key/)
  t.strictSame(seen.changes, [])
  writeFileSync(paths.config, CHANGED)
  await until('the change is seen', () => seen.changes.length === 1)
  t.equal(seen.changes[0]?.routes[0]?.path, '/hi')
})

t.test('tells when a broken file is what it was again', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  writeFileSync(paths.map, '[')
  await until('the refusal is seen', () => seen.refusals.length === 1)
  writeFileSync(paths.map, MAP)
  await until('the change is seen', () => seen.changes.length === 1)
  t.equal(seen.changes[0]?.map.epoch, 1)
})

t.test('a file that is gone is refused, and taken back', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  rmSync(paths.map)
  await until('the refusal is seen', () => seen.refusals.length === 1)
  t.match(seen.refusals[0], /cluster\.yaml: there is no such file/)
  writeFileSync(paths.map, GROWN)
  await until('the change is seen', () => seen.changes.length === 1)
})

t.test('a map must raise its epoch and keep its name', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  const refused = async (map: string, words: RegExp): Promise<void> => {
    const before = seen.refusals.length
    writeFileSync(paths.map, map)
    await until('the refusal is seen', () => seen.refusals.length === before + 1)
    t.match(seen.refusals.at(-1), words)
  }
  await refused(GROWN.replace('epoch: 2', 'epoch: 1'), /epoch is still 1; raise it to 2/)
  await refused(GROWN.replace('demo', 'other'), /name of a running cluster cannot change/)
  writeFileSync(paths.map, GROWN)
  await until('the change is seen', () => seen.changes.length === 1)
  await refused(MAP, /epoch 1 is older than 2/)
})

t.test('a change of comments only is no change', async (t) => {
  const { paths, seen } = await watched(t, t.testdir())
  writeFileSync(paths.config, `# a remark\n${CONFIG}`)
  writeFileSync(paths.map, `# a remark\n${MAP}`)
  // The next real change must be the first that is told.
  await sleep(300)
  writeFileSync(paths.config, CHANGED)
  await until('the change is seen', () => seen.changes.length > 0)
  t.equal(seen.changes[0]?.routes[0]?.path, '/hi')
  t.strictSame(seen.refusals, [])
})

t.test('follows the configuration to another map', async (t) => {
  const folder = t.testdir()
  const { paths, seen } = await watched(t, folder)
  const other = join(folder, 'maps/other.yaml')
  mkdirSync(join(folder, 'maps'))
  writeFileSync(other, GROWN)
  writeFileSync(paths.config, `${CONFIG}map: ../maps/other.yaml\n`)
  await until('the change is seen', () => seen.changes.length === 1)
  t.equal(seen.changes[0]?.mapFile, other)
  writeFileSync(other, GROWN.replace('epoch: 2', 'epoch: 3'))
  await until('the change is seen', () => seen.changes.length === 2)
  t.equal(seen.changes[1]?.map.epoch, 3)
})

t.test('notices a swapped link, which sends no event for the file', async (t) => {
  const folder = t.testdir({ versions: { a: {}, b: {} } })
  const paths = configFolder(folder)
  writeFileSync(join(folder, 'versions/a/cluster.yaml'), MAP)
  writeFileSync(join(folder, 'versions/b/cluster.yaml'), GROWN)
  symlinkSync(join(folder, 'versions/a'), join(folder, 'current'))
  rmSync(paths.map)
  symlinkSync(join(folder, 'current/cluster.yaml'), paths.map)
  const changes: Config[] = []
  const watch = watchConfig(
    await loadConfig(paths.config),
    { onChange: (config) => changes.push(config), onRefused: () => {} },
    { pollMs: 50 },
  )
  t.teardown(() => watch.close())
  symlinkSync(join(folder, 'versions/b'), join(folder, 'next'))
  renameSync(join(folder, 'next'), join(folder, 'current'))
  await until('the change is seen', () => changes.length === 1)
  t.equal(changes[0]?.map.epoch, 2)
})

t.test('what changed between loading and watching is noticed', async (t) => {
  const paths = configFolder(t.testdir())
  const config = await loadConfig(paths.config)
  writeFileSync(paths.config, CHANGED)
  const changes: Config[] = []
  const watch = watchConfig(config, {
    onChange: (changed) => changes.push(changed),
    onRefused: () => {},
  })
  t.teardown(() => watch.close())
  await until('the change is seen', () => changes.length === 1)
  t.equal(changes[0]?.routes[0]?.path, '/hi')
})

t.test('tells nothing after it is closed', async (t) => {
  const { paths, seen, watch } = await watched(t, t.testdir(), 20)
  writeFileSync(paths.config, CHANGED)
  watch.close()
  await sleep(400)
  t.strictSame(seen, { changes: [], refusals: [] })
})
