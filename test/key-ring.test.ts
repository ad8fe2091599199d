import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { loadConfig } from '../src/config/load.ts'
import type { Config } from '../src/config/schema.ts'
import { watchConfig } from '../src/config/watch.ts'
import { KeyRing } from '../src/key-ring.ts'
import { type KeyOrder, keyId, sealOrder } from '../src/keys.ts'
import { realWorld } from '../src/world.ts'
import { CONFIG, configFolder } from './config/config-folder.ts'

const A = 'the first key of this test'
const B = 'the second key of this test'

interface Scene {
  readonly ring: KeyRing
  readonly file: string
  /** The keys that were applied, one after the other. */
  readonly applied: (readonly string[])[]
}

/** A ring as a member has it: its configuration is watched. */
async function scene(t: Test, keys = [A], inFile = true): Promise<Scene> {
  const folder = t.testdir()
  const file = join(folder, 'config/aries.key')
  const words = inFile ? 'keyFile: ./aries.key' : `key: ${JSON.stringify(keys)}`
  const paths = configFolder(folder, { config: `${CONFIG}${words}\n` })
  writeFileSync(file, keys.join('\n'), { mode: 0o600 })
  const config = await loadConfig(paths.config)
  const applied: (readonly string[])[] = []
  const apply = async (applying: readonly string[]): Promise<void> => {
    applied.push(applying)
  }
  const ring = new KeyRing(
    {
      log: pino({ level: 'silent' }),
      clock: realWorld.clock,
      apply,
      opened: () => new Map([[keyId(A), 3]]),
    },
    { id: 'n1', config },
  )
  const onChange = (changed: Config): void => void ring.setConfig(changed)
  const watch = watchConfig(config, { onChange, onRefused: (error) => t.fail(error.message) })
  // Neither a watch nor its limit keeps a process alive, and nothing else runs here.
  const alive = setInterval(() => undefined, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    watch.close()
  })
  return { ring, file, applied }
}

function sealed(ring: KeyRing, key: string, order: object): string {
  const whole = { member: 'n1', has: ring.info.accepts, ...order } as KeyOrder
  return sealOrder(key, whole)
}

t.test('install, use, remove: each is in the file and in force when it is answered', async (t) => {
  const { ring, file, applied } = await scene(t)
  t.same(ring.info, { id: 'n1', accepts: [keyId(A)], file: true, opened: { [keyId(A)]: 3 } })
  const install = sealed(ring, A, { do: 'install', key: B })
  t.same((await ring.order(install)).accepts, [keyId(A), keyId(B)])
  t.same((await ring.order(install)).accepts, [keyId(A), keyId(B)], 'again is no harm')
  const use = sealed(ring, A, { do: 'use', id: keyId(B) })
  t.same((await ring.order(use)).accepts, [keyId(B), keyId(A)])
  const remove = sealed(ring, B, { do: 'remove', id: keyId(A) })
  t.same((await ring.order(remove)).accepts, [keyId(B)])
  t.same(applied, [[A, B], [B, A], [B]])
  t.match(readFileSync(file, 'utf8'), /^#.*\nthe second key of this test\n$/)
  t.equal(statSync(file).mode & 0o777, 0o600)
  for (const recorded of [install, use]) {
    await t.rejects(ring.order(recorded), { code: 'ARIES_E_UNAUTHORIZED' }, 'under a removed key')
  }
})

t.test('the key that seals is not removed, nor a key of another moment used', async (t) => {
  const { ring } = await scene(t, [A, B])
  const primary = sealed(ring, A, { do: 'remove', id: keyId(A) })
  await t.rejects(ring.order(primary), { code: 'ARIES_E_KEYS', message: /seals with/ })
  const unknown = sealed(ring, A, { do: 'use', id: '00000000' })
  await t.rejects(ring.order(unknown), { code: 'ARIES_E_KEYS', message: /no key 00000000/ })
  const late = sealed(ring, A, { do: 'use', id: keyId(B), has: [keyId(A)] })
  await t.rejects(ring.order(late), { code: 'ARIES_E_KEYS', message: /other keys by now/ })
  t.same(ring.info.accepts, [keyId(A), keyId(B)])
})

t.test('who has no key, or means another member, changes nothing', async (t) => {
  const { ring, applied } = await scene(t)
  const order = { do: 'install', key: B }
  const refused = { code: 'ARIES_E_UNAUTHORIZED' }
  await t.rejects(ring.order(sealed(ring, B, order)), refused)
  await t.rejects(ring.order(sealed(ring, A, { ...order, member: 'n2' })), refused)
  const right = Buffer.from(sealed(ring, A, order), 'base64')
  for (let at = 0; at < right.length; at++) {
    const damaged = Buffer.from(right)
    damaged[at]! ^= 1
    await t.rejects(ring.order(damaged.toString('base64')), refused)
  }
  for (const text of ['', 'x', 'null', 'a'.repeat(4_000)]) {
    await t.rejects(ring.order(text), refused)
  }
  for (const bad of [null, 5, { do: 'install' }, { do: 'rule', id: 'x' }, { do: 'use', id: 5 }]) {
    const text = sealOrder(A, bad as unknown as KeyOrder)
    await t.rejects(ring.order(text), refused)
  }
  t.same(applied, [])
})

t.test('a key that stands in the configuration is not changed by command', async (t) => {
  const { ring } = await scene(t, [A], false)
  t.equal(ring.info.file, false)
  const install = sealed(ring, A, { do: 'install', key: B })
  await t.rejects(ring.order(install), { code: 'ARIES_E_KEYS', message: /in the configuration/ })
})

t.test('key files that are refused, none of which is told', async (t) => {
  const cases: [string, number, RegExp][] = [
    [A, 0o644, /others than its owner.*mode 644/],
    ['short', 0o600, /shorter than 16/],
    ['# nothing\n\n', 0o600, /empty/],
    [`${A}\n${A}`, 0o600, /the same as another/],
    [Array.from({ length: 5 }, (_, i) => `${A} ${i}`).join('\n'), 0o600, /more than 4/],
  ]
  for (const [text, mode, words] of cases) {
    const folder = t.testdir()
    const paths = configFolder(folder, { config: `${CONFIG}keyFile: ./aries.key\n` })
    writeFileSync(join(folder, 'config/aries.key'), text, { mode })
    const error = await loadConfig(paths.config).catch((thrown: Error) => thrown)
    t.match((error as Error).message, words)
    t.match((error as Error).message, /aries\.yaml:\d+:\d+: keyFile/)
    t.notMatch((error as Error).message, /the first key|short\b(?!er)/)
  }
  const missing = configFolder(t.testdir(), { config: `${CONFIG}keyFile: ./none.key\n` })
  await t.rejects(loadConfig(missing.config), { message: /there is no key file/ })
  const both = configFolder(t.testdir(), { config: `${CONFIG}key: "${A}"\nkeyFile: ./a.key\n` })
  await t.rejects(loadConfig(both.config), { message: /there is a key as well/ })
  const list = configFolder(t.testdir(), { config: `${CONFIG}key: ["${A}", "${B}"]\n` })
  t.same((await loadConfig(list.config)).keys, [A, B])
})
