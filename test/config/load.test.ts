import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { AriesError } from '../../src/errors.ts'
import { CONFIG, configFolder, MAP } from './config-folder.ts'

/** The message of the refusal; fails the test when there is none. */
async function refusal(
  t: Test,
  files: { config?: string; map?: string },
  env: Record<string, string> = {},
): Promise<string> {
  const { config } = configFolder(t.testdir(), files)
  try {
    await loadConfig(config, { env })
  } catch (error) {
    if (!(error instanceof AriesError)) throw error
    t.equal(error.code, 'ARIES_E_CONFIG')
    return error.message
  }
  t.fail('it was not refused')
  return ''
}

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
  t.strictSame([...config.classes], [['counter', { file, ...options, ...others }]])
  t.match(options, { queueMax: 1_000, requestTimeoutMs: 30_000, stateBytesMax: 268_435_456 })
  t.match(config.routes, [
    { path: '/hello', task: join(folder, 'workers/hello.ts') },
    { path: '/counter/:key', worker: join(folder, 'workers/counter.ts') },
    { path: '/legacy/*', upstreams: ['http://127.0.0.1:19001'], forwarder: 'aries' },
  ])
  t.equal(config.map.nodes[1]?.speed, 1)
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
  t.equal(config.key, '12345678901234567890', 'a key of digits stays text')
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

/** What is wrong → which line of the message must say so. */
const REFUSED: readonly {
  name: string
  config?: string
  map?: string
  says: readonly (RegExp | string)[]
}[] = [
  {
    name: 'an unknown key, with the one that was meant',
    config: `${CONFIG}fornt: {}\n`,
    says: [/aries\.yaml:8:1: fornt: is not a known key; did you mean `front`\?/],
  },
  {
    name: 'an unknown key deeper down',
    config: `${CONFIG}front:\n  headBytesMax: 4096\n  shrads: 2\n`,
    says: [/aries\.yaml:10:3: front\.shrads: is not a known key; did you mean `shards`\?/],
  },
  {
    name: 'an unknown key that is like none',
    config: `${CONFIG}log: { colour: blue }\n`,
    says: [/aries\.yaml:8:8: log\.colour: is not a known key; known are `level`/],
  },
  {
    name: 'options of a class that no route has, with the one that was meant',
    config: `${CONFIG}classes:\n  countre: { queueMax: 1 }\n`,
    says: [
      /aries\.yaml:9:3: classes\.countre: is not a worker class of a route; did you mean `counter`\?/,
    ],
  },
  {
    name: 'options of a task as if it were a class',
    config: `${CONFIG}classes: { hello: {} }\n`,
    says: [/aries\.yaml:8:12: classes\.hello: is not a worker class .*; there are `counter`/],
  },
  {
    name: 'an unknown option of a class',
    config: `${CONFIG}classes:\n  counter: { queuMax: 1 }\n`,
    says: [/aries\.yaml:9:14: classes\.counter\.queuMax: is not .*; did you mean `queueMax`\?/],
  },
  {
    name: 'classes without options',
    config: `${CONFIG}classes: [counter]\n`,
    says: [/aries\.yaml:8:10: classes: expected keys and values, found a list/],
  },
  {
    name: 'a class without options',
    config: `${CONFIG}classes: { counter: }\n`,
    says: [/classes\.counter: expected keys and values, found nothing/],
  },
  {
    name: 'an option of a class out of range',
    config: `${CONFIG}classes: { counter: { requestTimeoutMs: 0 } }\n`,
    says: [/classes\.counter\.requestTimeoutMs: expected at least 1/],
  },
  {
    name: 'a wrong type',
    config: `${CONFIG}front: { shards: many }\n`,
    says: [/aries\.yaml:8:18: front\.shards: expected a number, found a string/],
  },
  {
    name: 'a fraction where a whole number belongs',
    map: MAP.replace('epoch: 1', 'epoch: 1.5'),
    says: [/cluster\.yaml:2:8: epoch: expected a whole number, found a fraction/],
  },
  {
    name: 'a number out of range',
    map: MAP.replace('17201', '70000'),
    says: [/cluster\.yaml:4:53: nodes\[0\]\.data: expected at most 65535/],
  },
  {
    name: 'a missing key',
    map: MAP.replace(', admin: 17302', ''),
    says: [/cluster\.yaml:5:5: nodes\[1\]\.admin: is missing/],
  },
  {
    name: 'an empty value',
    config: CONFIG.replace('store: sqlite:../data/aries.db', 'store:'),
    says: [/aries\.yaml:1:\d+: store: expected text, found nothing/],
  },
  {
    name: 'a list that is none',
    config: CONFIG.replace(/routes:[\s\S]*/, 'routes: none\n'),
    says: [/aries\.yaml:4:9: routes: expected a list, found a string/],
  },
  {
    name: 'an option that is none',
    config: CONFIG.replace('19001] }', '19001], forwarder: nginx }'),
    says: [/aries\.yaml:7:\d+: routes\[2\]\.forwarder: expected one of `aries`, `http-proxy`/],
  },
  {
    name: 'a route that goes nowhere',
    config: `${CONFIG}  - { path: /x }\n`,
    says: [/aries\.yaml:8:5: routes\[3\]: needs one of `task`, `worker`, `upstreams`/],
  },
  {
    name: 'a route that goes to two places',
    config: `${CONFIG}  - { path: /x, task: a.ts, worker: b.ts }\n`,
    says: [/routes\[3\]: has `task` and `worker`; only one of them may stand here/],
  },
  {
    name: 'a route with a misspelt kind',
    config: `${CONFIG}  - { path: /x, taks: ../workers/hello.ts }\n`,
    says: [/aries\.yaml:8:17: routes\[3\]\.taks: is not a known key; did you mean `task`\?$/],
  },
  {
    name: 'a key that belongs to another kind of route',
    config: `${CONFIG}  - { path: /x, task: ../workers/hello.ts, forwarder: aries }\n`,
    says: [/routes\[3\]\.forwarder: does not go with `task`/],
  },
  {
    name: 'a route that is no mapping',
    config: `${CONFIG}  - /x\n`,
    says: [/routes\[3\]: expected keys and values, found a string/],
  },
  {
    name: 'a path without its slash',
    config: CONFIG.replace('/hello,', 'hello,'),
    says: [/aries\.yaml:5:13: routes\[0\]\.path: must begin with `\/`/],
  },
  {
    name: 'a worker without :key',
    config: CONFIG.replace('/counter/:key', '/counter/:name'),
    says: [/aries\.yaml:6:13: routes\[1\]\.path: needs exactly one segment `:key`/],
  },
  {
    name: 'a worker with :key twice',
    config: CONFIG.replace('/counter/:key', '/counter/:key/:key'),
    says: [/routes\[1\]\.path: names a segment twice/, /needs exactly one segment `:key`/],
  },
  {
    name: 'a star in the middle, an empty segment, a stray colon',
    config: CONFIG.replace('/legacy/*', '/legacy/*/x//a:b'),
    says: [/only the last segment may be `\*`/, /has an empty segment/, /`a:b` is neither text/],
  },
  {
    name: 'a route that is never reached',
    config: `${CONFIG}  - { path: /counter/:name, task: ../workers/hello.ts }\n`,
    says: [/routes\[3\]\.path: is never reached: routes\[1\] takes the same paths/],
  },
  {
    name: 'a module that is not there',
    config: CONFIG.replace('hello.ts', 'hallo.ts'),
    says: [/aries\.yaml:5:27: routes\[0\]\.task: there is no file .*workers\/hallo\.ts/],
  },
  {
    name: 'a module that is a folder',
    config: CONFIG.replace('../workers/hello.ts', '../workers'),
    says: [/routes\[0\]\.task: .*workers is not a file/],
  },
  {
    name: 'one module as task and worker',
    config: `${CONFIG}  - { path: /x, task: ../workers/counter.ts }\n`,
    says: [/routes\[3\]\.task: one module is a task or a worker class, not both/],
  },
  {
    name: 'an upstream with a path',
    config: CONFIG.replace('http://127.0.0.1:19001', 'http://127.0.0.1:19001/x'),
    says: [/routes\[2\]\.upstreams\[0\]: must be `http:\/\/host:port`, without a path/],
  },
  {
    name: 'an upstream with another scheme',
    config: CONFIG.replace('http://127.0.0.1:19001', 'https://127.0.0.1:19001'),
    says: [/routes\[2\]\.upstreams\[0\]: must be `http:\/\/host:port`/],
  },
  {
    name: 'a listener without a port',
    config: CONFIG.replace('127.0.0.1:18080', '127.0.0.1'),
    says: [/aries\.yaml:3:13: listeners\[0\]\.http: must be host:port/],
  },
  {
    name: 'a TCP listener with an HTTP upstream',
    config: CONFIG.replace(
      'http: 127.0.0.1:18080',
      'tcp: 127.0.0.1:18080, upstreams: [http://a:1]',
    ),
    says: [/listeners\[0\]\.upstreams\[0\]: must be `tcp:\/\/host:port`/],
  },
  {
    name: 'a store that is none',
    config: CONFIG.replace('sqlite:../data/aries.db', 'mysql://x'),
    says: [/aries\.yaml:1:8: store: must be `sqlite:<file>` or `postgres:/],
  },
  {
    name: 'a store in memory',
    config: CONFIG.replace('sqlite:../data/aries.db', "'sqlite::memory:'"),
    says: [/store: every process of a node opens the store: it must be a file/],
  },
  {
    name: 'two members of one name',
    map: MAP.replace('id: n2', 'id: f1'),
    says: [/fronts\[0\]\.id: another member is already called f1/],
  },
  {
    name: 'a port given away twice',
    map: MAP.replace('17302', '17201'),
    says: [
      /cluster\.yaml:5:\d+: nodes\[1\]\.admin: TCP port 17201 is already that of the data port of n1/,
    ],
  },
  {
    name: 'a port of a listener given away again',
    map: MAP.replace('admin: 17300', 'admin: 18080'),
    says: [/fronts\[0\]\.admin: TCP port 18080 is already that of the http listener/],
  },
  {
    name: 'SQLite on several machines, with the way out',
    config: `${CONFIG}key: abcdefghijklmnopqrstuvwxyz\n`,
    map: MAP.replace('127.0.0.1', '10.0.0.1').replaceAll('127.0.0.1', '10.0.0.2'),
    says: [/aries\.yaml:1:8: store: SQLite is a file of one machine.*10\.0\.0\.1.*use PostgreSQL/],
  },
  {
    name: 'an address of others without a key, with the way out',
    map: MAP.replaceAll('127.0.0.1', '10.0.0.1'),
    says: [/aries\.yaml:\d+:\d+: key: the map binds 10\.0\.0\.1, .* there is no key; set one/],
  },
  {
    name: 'loopback among other machines',
    config: `${CONFIG.replace('sqlite:../data/aries.db', 'postgres://db/a')}key: abcdefghijklmnopqrst\n`,
    map: MAP.replaceAll('127.0.0.1', '10.0.0.1').replace(
      '{ id: n2, host: 10.0.0.1',
      '{ id: n2, host: 127.0.0.1',
    ),
    says: [/nodes\[1\]\.host: 127\.0\.0\.1 cannot be reached from the machine of n1/],
  },
  {
    name: 'a host that is every address',
    map: MAP.replace('127.0.0.1', '0.0.0.0'),
    config: `${CONFIG.replace('sqlite:../data/aries.db', 'postgres://db/a')}key: abcdefghijklmnopqrst\n`,
    says: [/nodes\[0\]\.host: no member can reach another at 0\.0\.0\.0/],
  },
  {
    name: 'a variable that is not set',
    config: `${CONFIG}key: \${NOWHERE}\n`,
    says: [
      /aries\.yaml:8:6: the environment has no NOWHERE; set it, or write `\$\{NOWHERE:-default\}`/,
    ],
  },
  {
    name: 'broken YAML',
    config: `${CONFIG}key: [a\n`,
    says: [/aries\.yaml:9:1: Flow sequence/],
  },
  {
    name: 'a key twice',
    config: `${CONFIG}store: sqlite:x\n`,
    says: [/aries\.yaml:8:1: Map keys must be unique/],
  },
  {
    name: 'an alias without an anchor',
    config: `${CONFIG}key: *nobody\n`,
    says: [/aries\.yaml:8:6: there is no such anchor/],
  },
  {
    name: 'an empty file',
    map: '',
    says: [/cluster\.yaml:1:1: expected keys and values, found nothing/],
  },
]

for (const { name, says, ...files } of REFUSED) {
  t.test(`refuses ${name}`, async (t) => {
    const message = await refusal(t, files)
    for (const words of says) t.match(message, words)
    const wanted = says.length === 1 ? 1 : says.length + 1
    t.equal(message.split('\n').length, wanted, `nothing else is reported: ${message}`)
  })
}

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
