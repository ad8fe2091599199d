import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { bannerText } from '../../src/cli/dev/banner.ts'
import { LogTail, shortLine } from '../../src/cli/dev/log-tail.ts'
import { mapOfNodes, writeTemporaryMap } from '../../src/cli/dev/temporary-map.ts'
import { localUpstreams } from '../../src/cli/dev/upstreams.ts'
import { age, bytes, milliseconds } from '../../src/cli/format.ts'
import { table } from '../../src/cli/table.ts'
import { loadConfig } from '../../src/config/load.ts'
import { configFolder } from '../config/config-folder.ts'

t.test('a map of another number of nodes is valid and keeps what there was', async (t) => {
  const folder = t.testdir()
  const { config: file } = configFolder(folder)
  const { map, mapFile } = await loadConfig(file)
  for (const nodes of [1, 2, 5, 40]) {
    const made = mapOfNodes(map, nodes)
    t.equal(made.nodes.length, nodes)
    t.strictSame(made.nodes[0], map.nodes[0])
    const temporary = join(folder, 'data/dev/cluster.yaml')
    writeTemporaryMap(temporary, made, mapFile)
    const config = await loadConfig(file, { mapFile: temporary })
    t.strictSame(config.map, made, 'no id and no port is given away twice')
  }
  t.strictSame(mapOfNodes(map, 3).nodes[2], {
    id: 'n3',
    host: '127.0.0.1',
    gossip: 17103,
    data: 17203,
    admin: 17303,
  })
})

t.test('only warnings and what is no log are shown, harmless and short', async (t) => {
  t.equal(shortLine('{"level":"info","msg":"x"}'), undefined)
  t.equal(shortLine('  '), undefined)
  t.equal(
    shortLine('{"level":"warn","component":"store","msg":"slow","err":{"message":"why"}}'),
    'warn: store: slow (why)',
  )
  t.equal(
    shortLine('{"level":"warn","worker":"room/a","msg":"worker threw","err":{"message":"no"}}'),
    'warn: room/a: worker threw (no)',
  )
  t.equal(shortLine('TypeError: \u001b[31mx'), 'TypeError: ?[31mx')
  t.equal(shortLine('null'), undefined)
  t.equal(shortLine(`x${'y'.repeat(10_000)}`)?.length, 300)
})

t.test('a log is read on from where it was, line by line', async (t) => {
  const file = join(t.testdir(), 'n1.log')
  const told: string[] = []
  const tail = new LogTail(file, (line) => told.push(line))
  tail.read()
  t.strictSame(told, [], 'there is no file yet')
  writeFileSync(file, 'one\ntw')
  tail.read()
  t.strictSame(told, ['one'])
  appendFileSync(file, 'o\n')
  tail.read()
  t.strictSame(told, ['one', 'two'])
  appendFileSync(file, 'x\n'.repeat(25))
  tail.read()
  t.strictSame(told.slice(2), [...Array(10).fill('x'), 'and 15 more'])
  t.equal(readFileSync(file, 'utf8').length, 58)
})

t.test('figures are short', async (t) => {
  t.strictSame([0, 999, 1000, 12_345_678, 5e9].map(bytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '12.3 MB',
    '5.0 GB',
  ])
  t.strictSame([0.123, 9.99, 10, 999, 1500].map(milliseconds), [
    '0.12 ms',
    '9.99 ms',
    '10 ms',
    '999 ms',
    '1.5 s',
  ])
  t.strictSame([0, 59_999, 60_000, 3_600_000, 90_000_000].map(age), [
    '0s',
    '59s',
    '1m',
    '1h 0m',
    '1d 1h',
  ])
})

t.test('a table is aligned, and no cell can break out of it', async (t) => {
  const text = table(
    [{ title: 'A' }, { title: 'N', right: true }],
    [
      ['x\ny', '1'],
      ['long', '1000'],
    ],
  )
  t.equal(text, 'A        N\nx y      1\nlong  1000')
})

t.test('a server at the place of a demo upstream is used, and the banner says so', async (t) => {
  const listen = async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, port: (server.address() as AddressInfo).port }
  }
  const there = await listen()
  t.teardown(() => there.server.close())
  const gone = await listen()
  gone.server.close()
  await once(gone.server, 'close')
  const { config: file } = configFolder(t.testdir(), {
    config: `listeners: [{ http: "127.0.0.1:8080" }]\nroutes:\n  - path: /old\n    upstreams: ["http://127.0.0.1:${there.port}", "http://127.0.0.1:${gone.port}"]\n`,
  })
  const config = await loadConfig(file)
  const { free, taken } = await localUpstreams(config)
  t.strictSame(free, [{ host: '127.0.0.1', port: gone.port }])
  t.strictSame(taken, [{ host: '127.0.0.1', port: there.port }])
  const init = { config, pids: new Map(), upstreams: free, logFolder: '/l', readyMs: 1 }
  const line = `no demo upstream at 127.0.0.1:${there.port}: the server that listens there is used`
  t.ok(
    bannerText({ ...init, taken })
      .split('\n')
      .includes(line),
  )
  t.notMatch(bannerText({ ...init, taken: [] }), 'is used')
})
