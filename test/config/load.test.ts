import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { CONFIG, configFolder, MAP, refusal } from './config-folder.ts'

t.test('reads a valid configuration and makes every path absolute', async (t) => {
  const folder = t.testdir()
  const paths = configFolder(folder)
  const config = await loadConfig(paths.config, { env: {} })
  t.equal(config.file, paths.config)
  t.equal(config.mapFile, paths.map)
  t.equal(config.store, `sqlite:${join(folder, 'data/aries.db')}`)
  t.strictSame([...config.tasks], [['hello', join(folder, 'workers/hello.ts')]])
  const file = join(folder, 'workers/counter.ts')
  const { queueMax, requestTimeoutMs, sleepAfterMs, stateBytesMax } = config.host
  const options = { queueMax, requestTimeoutMs, sleepAfterMs, stateBytesMax }
  const others = { readsMax: 1, standby: 0, isolation: 'shared', memoryMb: config.host.memoryMb }
  const place = { spread: false, stay: false }
  t.strictSame([...config.classes], [['counter', { file, ...options, ...others, ...place }]])
  t.match(options, { queueMax: 1_000, requestTimeoutMs: 30_000, stateBytesMax: 268_435_456 })
  t.match(config.routes, [
    { path: '/hello', task: join(folder, 'workers/hello.ts') },
    { path: '/counter/:key', worker: join(folder, 'workers/counter.ts') },
    { path: '/legacy/*', upstreams: ['http://127.0.0.1:19001'], forwarder: 'aries' },
  ])
  t.equal(config.map.nodes[1]?.speed, undefined, 'it is measured')
  t.equal(config.front.headBytesMax, 32_768)
})

t.test('the map can be another than the one that is named', async (t) => {
  const folder = t.testdir()
  const { config: file } = configFolder(folder, { map: 'not: a map' })
  const mapFile = join(folder, 'other.yaml')
  writeFileSync(mapFile, MAP)
  const config = await loadConfig(file, { env: {}, mapFile })
  t.equal(config.mapFile, mapFile)
})

t.test('the configuration that ships is valid', async (t) => {
  const config = await loadConfig('config/aries.yaml', { env: {} })
  t.equal(config.map.nodes.length, 3)
  t.ok(config.routes.some((route) => 'forwarder' in route && route.forwarder === 'http-proxy'))
})

t.test('fills in the environment, and gives numbers their type', async (t) => {
  const { config: file } = configFolder(t.testdir(), {
    config: `${CONFIG}key: \${KEY}\nfront:\n  headBytesMax: \${HEAD:-4096}\n`,
    map: MAP.replace('epoch: 1', `epoch: \${EPOCH:-7}`),
  })
  const config = await loadConfig(file, { env: { KEY: '12345678901234567890' } })
  t.same(config.keys, ['12345678901234567890'], 'a key of digits stays text')
  t.equal(config.front.headBytesMax, 4096)
  t.equal(config.map.epoch, 7)
})

t.test('a class has its own limits, else those of the host', async (t) => {
  const { config: file } = configFolder(t.testdir(), {
    config: `${CONFIG}host: { queueMax: 7, requestTimeoutMs: 900 }\nclasses: { counter: { queueMax: 3 } }\n`,
  })
  const config = await loadConfig(file, { env: {} })
  t.match(config.classes.get('counter'), { queueMax: 3, requestTimeoutMs: 900 })
})

t.test(
  'values of the state are frozen under `aries dev`, unless the file says otherwise',
  async (t) => {
    const frozen = async (config: string, env: Record<string, string>): Promise<unknown> => {
      const { config: file } = configFolder(t.testdir(), { config })
      return (await loadConfig(file, { env })).host.freezeState
    }
    t.equal(await frozen(CONFIG, {}), false)
    t.equal(await frozen(CONFIG, { ARIES_DEV: '1' }), true)
    t.equal(await frozen(`${CONFIG}host: { freezeState: false }\n`, { ARIES_DEV: '1' }), false)
    t.equal(await frozen(`${CONFIG}host: { freezeState: true }\n`, {}), true)
  },
)

t.test('names a file that is not there', async (t) => {
  const paths = configFolder(t.testdir())
  rmSync(paths.map)
  await t.rejects(loadConfig(paths.config), {
    message: /config\/cluster\.yaml: there is no such file$/,
  })
  rmSync(paths.config)
  mkdirSync(paths.config)
  await t.rejects(loadConfig(paths.config), { code: 'ARIES_E_CONFIG', message: /EISDIR/ })
})

t.test('refuses two modules of one name', async (t) => {
  const folder = t.testdir({ other: { 'hello.ts': '' } })
  const { config } = configFolder(folder, {
    config: `${CONFIG}  - { path: /x, task: ../other/hello.ts }\n`,
  })
  await t.rejects(loadConfig(config, { env: {} }), {
    message: /routes\[3\]\.task: another module is already called hello: .*workers\/hello\.ts/,
  })
})

t.test('tells all problems of both files at once, in their order', async (t) => {
  const message = await refusal(t, {
    config: CONFIG.replace('hello.ts', 'hallo.ts').replace('18080', '0'),
    map: MAP.replace('epoch: 1', 'epoch: 0').replace('id: n2', 'id: n1'),
  })
  const lines = message.split('\n')
  t.equal(lines[0], '4 problems')
  t.match(lines[1], /aries\.yaml:3/)
  t.match(lines[2], /aries\.yaml:5/)
  t.match(lines[3], /cluster\.yaml:2.*epoch: expected at least 1/)
  t.match(lines[4], /cluster\.yaml:5.*id: another member/)
})

t.test('never tells a secret', async (t) => {
  const secret = 'hunter2hunter2'
  const cases: { config: string; env?: Record<string, string> }[] = [
    { config: `${CONFIG}key: ${secret}\n` },
    { config: `${CONFIG}key: \${K}\n`, env: { K: secret } },
    { config: `${CONFIG}key: [[${secret}]]\n` },
    { config: `${CONFIG}key: [${secret}]\n` },
    { config: `${CONFIG}key: "${secret}" "${secret}"\n` },
    { config: `${CONFIG}key: *${secret}\n` },
    { config: `${CONFIG}key: !${secret} x\n` },
    { config: `${CONFIG}key: \${K:${secret}}\n` },
    { config: CONFIG.replace('sqlite:../data/aries.db', `postgres://me:${secret}@:bad:/db`) },
    { config: CONFIG.replace('sqlite:../data/aries.db', `mysql://me:${secret}@host/db`) },
  ]
  for (const { config, env } of cases) {
    const message = await refusal(t, { config }, env)
    t.ok(message.length > 0)
    t.notMatch(message, secret)
  }
})

t.test('aliases that multiply are refused, not followed', async (t) => {
  const folder = t.testdir()
  const rows = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [i, name] of ['b', 'c', 'd'].entries()) {
    const before = 'abc'[i]
    rows.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`)
  }
  const { config: file } = configFolder(folder, { config: rows.join('\n') })
  await t.rejects(loadConfig(file, { env: {} }), {
    code: 'ARIES_E_CONFIG',
    message: /aliases multiply/,
  })
})
