import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, request } from 'undici'
import { Front } from '../../src/front/front.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'
import { KeptConnection, startFront } from './start.ts'
import { log, node, StubMembership, serve, serveData, testConfig } from './stubs.ts'

const HELLO = { path: '/hello', task: '/w/hello.ts' }

t.test('a task goes to a pool with its name and the token', async (t) => {
  const pool = await serve(t, (req, res) => {
    res.setHeader('aries-node', 'n1')
    res.end(`${req.headers['aries-task']} ${req.headers['aries-auth']} ${req.headers['aries-x']}`)
  })
  const membership = new StubMembership([node('n1', {}, { poolPort: pool.port })])
  const { url } = await startFront(t, membership, testConfig({ routes: [HELLO], key: 'k' }))
  const answer = await request(`${url}/hello`, { headers: { 'aries-x': 'claims to be inside' } })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['aries-node'], 'n1')
  t.match(await answer.body.text(), /^hello [0-9a-f]{64} undefined$/)
})

t.test('what the front answers itself is an ErrorBody', async (t) => {
  const routes = [HELLO, { path: '/counter/:key', worker: '/w/counter.ts' }]
  const { url } = await startFront(t, new StubMembership(), testConfig({ routes }))
  const none = await request(`${url}/nowhere`)
  t.equal(none.statusCode, 404)
  t.match(none.headers['content-type'], 'application/json')
  t.match(await none.body.json(), { error: { code: 'ARIES_E_NO_ROUTE', todo: String } })
  const bad = await request(`${url}/counter/%ff`)
  t.equal(bad.statusCode, 400)
  t.match(await bad.body.json(), { error: { code: 'ARIES_E_BAD_REQUEST' } })
  const noPool = await request(`${url}/hello`)
  t.equal(noPool.statusCode, 503)
  t.ok(noPool.headers['retry-after'])
  t.match(await noPool.body.json(), { error: { code: 'ARIES_E_NO_TARGET' } })
})

t.test('a task whose pool cannot be reached goes to another node', async (t) => {
  const dead = await serve(t, () => {})
  await dead.kill()
  const pool = await serve(t, (_req, res) => res.end('n2'))
  const membership = new StubMembership([
    node('n1', {}, { poolPort: dead.port }),
    node('n2', {}, { poolPort: pool.port }),
  ])
  const { front, url } = await startFront(t, membership, testConfig({ routes: [HELLO] }))
  for (let i = 0; i < 20; i++) {
    const answer = await request(`${url}/hello`, { method: 'POST', body: 'x' })
    t.equal(await answer.body.text(), 'n2')
  }
  await until('the retry is counted', () => front.stats().retries > 0)
  t.ok(front.stats().retries < 20, 'the node that failed repels the later ones')
})

t.test('no task goes to a cordoned, draining or dead node while there is another', async (t) => {
  const served: string[] = []
  const pool = (id: string) => serve(t, (_req, res) => res.end(served.push(id).toString()))
  const ids = ['alive', 'cordoned', 'draining', 'unreachable', 'suspect']
  const ports = new Map<string, number>()
  for (const id of ids) ports.set(id, (await pool(id)).port)
  const poolPort = (id: string) => ({ poolPort: ports.get(id)! })
  const membership = new StubMembership([
    node('a', {}, poolPort('alive')),
    node('b', {}, { ...poolPort('cordoned'), cordoned: true }),
    node('c', {}, { ...poolPort('draining'), draining: true }),
    node('d', { state: 'unreachable' }, poolPort('unreachable')),
    node('e', { state: 'suspect' }, poolPort('suspect')),
  ])
  const { url } = await startFront(t, membership, testConfig({ routes: [HELLO] }))
  for (let i = 0; i < 30; i++) await (await request(`${url}/hello`)).body.dump()
  t.same(new Set(served), new Set(['alive']))
  membership.set(node('a', { state: 'left' }, poolPort('alive')))
  served.length = 0
  for (let i = 0; i < 30; i++) await (await request(`${url}/hello`)).body.dump()
  t.notOk(served.includes('alive') || served.includes('unreachable'))
  t.equal(served.length, 30, 'better a cordoned or suspect one than none')
})

t.test('a reload changes routes and listeners and closes no connection', async (t) => {
  let answerSlow: (() => void) | undefined
  const pool = await serve(t, (req, res) => {
    const answer = () => res.end(String(req.headers['aries-task']))
    if (req.url === '/slow') answerSlow = answer
    else answer()
  })
  const membership = new StubMembership([node('n1', {}, { poolPort: pool.port })])
  const slow = { path: '/slow', task: '/w/slow.ts' }
  const before = testConfig({ routes: [HELLO, slow] })
  const { front, port } = await startFront(t, membership, before)
  const kept = new KeptConnection(t, port)
  t.equal((await kept.get('/hello')).body, 'hello')
  kept.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('it runs', () => answerSlow !== undefined)

  const name = before.listeners[0]!
  const after = testConfig({
    routes: [{ path: '/new', task: '/w/new.ts' }],
    listeners: [name, { tcp: '127.0.0.1:0', upstreams: ['tcp://127.0.0.1:9'] }],
    front: { headBytesMax: 2_048 },
  })
  await front.setConfig(after)
  answerSlow!()
  t.same(await kept.answer(), { status: 200, body: 'slow' }, 'what runs goes on')
  t.equal((await kept.get('/hello')).status, 404)
  t.equal((await kept.get('/new')).body, 'new')
  t.equal(kept.closed, false)
  t.equal(front.addresses()[0]!.port, port)
  t.not(front.addresses()[1]!.port, 0)

  const second = new KeptConnection(t, port)
  t.equal((await second.get('/new')).body, 'new')
  await front.setConfig(testConfig({ routes: [HELLO], listeners: [{ http: 'localhost:0' }] }))
  t.equal((await second.get('/hello')).body, 'hello', 'its listener is gone, it is not')
  await t.rejects(request(`http://127.0.0.1:${port}/hello`, { dispatcher: new Agent() }))
})

t.test('a change that cannot be applied is refused whole', async (t) => {
  const blocker = createServer()
  await new Promise<void>((done) => blocker.listen(0, '127.0.0.1', done))
  t.teardown(() => blocker.close())
  const taken = `127.0.0.1:${(blocker.address() as { port: number }).port}`
  const pool = await serve(t, (_req, res) => res.end('ok'))
  const membership = new StubMembership([node('n1', {}, { poolPort: pool.port })])
  const { front, url } = await startFront(t, membership, testConfig({ routes: [HELLO] }))
  const routes = [{ path: '/other', task: '/w/other.ts' }]
  await t.rejects(
    front.setConfig(testConfig({ routes, listeners: [{ http: '127.0.0.1:0' }, { http: taken }] })),
    { code: 'ARIES_E_PORT_IN_USE', message: new RegExp(taken) },
  )
  await t.rejects(
    front.setConfig(testConfig({ routes: [{ path: '/x', upstreams: ['ftp://x'] }] })),
    { code: 'ARIES_E_CONFIG' },
  )
  t.equal((await request(`${url}/hello`)).statusCode, 200)
  t.equal((await request(`${url}/other`)).statusCode, 404)
})

t.test('two shards share the port, and another front cannot', async (t) => {
  const pool = await serve(t, (_req, res) => res.end('ok'))
  const membership = new StubMembership([node('n1', {}, { poolPort: pool.port })])
  const config = testConfig({ routes: [HELLO], front: { shards: 2 } })
  const { front, port, url } = await startFront(t, membership, config)
  await Promise.all(
    Array.from({ length: 40 }, async () => {
      const dispatcher = new Agent({ connections: 1 })
      const answer = await request(`${url}/hello`, { dispatcher })
      t.equal(await answer.body.text(), 'ok')
      await dispatcher.close()
    }),
  )
  await until('both have reported', () => front.stats().requests.task['2xx'] === 40)
  t.equal(front.stats().shards, 2)
  t.equal(front.stats().connectionsTotal, 40)
  t.equal(
    front.stats().latency.counts.reduce((sum, count) => sum + count),
    40,
  )

  const other = new StubMembership()
  const name = `127.0.0.1:${port}`
  const second = new Front(
    { log, world: realWorld, membership: other },
    {
      config: testConfig({ routes: [HELLO], listeners: [{ http: name }], front: { shards: 2 } }),
      id: 'f2',
    },
  )
  await t.rejects(second.start(), { code: 'ARIES_E_PORT_IN_USE', message: new RegExp(name) })
  t.equal(other.started, false)
})

t.test('stop lets the request in flight finish and takes no other', async (t) => {
  let finish: () => void = () => {}
  const pool = await serve(t, (_req, res) => {
    finish = () => res.end('late')
  })
  const membership = new StubMembership([node('n1', {}, { poolPort: pool.port })])
  const config = testConfig({ routes: [HELLO], front: { drainTimeoutMs: 5_000 } })
  const { front, port } = await startFront(t, membership, config)
  const kept = new KeptConnection(t, port)
  const idle = new KeptConnection(t, port)
  const answer = kept.get('/hello')
  let begun = false
  pool.server.on('request', () => {
    begun = true
  })
  await until('the request is at the pool', () => begun)
  const stopped = front.stop()
  await until('the idle connection is closed', () => idle.closed)
  finish()
  t.equal((await answer).body, 'late')
  await stopped
  t.equal(membership.started, false)
})

t.test('a body that the target would refuse is refused before anything is sent', async (t) => {
  let requests = 0
  const target = await serve(t, (req, res) => {
    requests += 1
    req.resume().on('end', () => res.end('whole'))
  })
  const data = await serveData(t, () => ({
    node: 'n1',
    host: '127.0.0.1',
    port: target.port,
    epoch: 1,
  }))
  const member = node('n1', { dataPort: data.port }, { poolPort: target.port })
  const routes = [HELLO, { path: '/counter/:key', worker: '/w/counter.ts' }]
  const limits = { pool: { bodyBytesMax: 100 }, host: { bodyBytesMax: 200 } }
  const config = testConfig({ routes, ...limits })
  const { url, front } = await startFront(t, new StubMembership([member]), config)
  const post = async (path: string, bytes: number) => {
    const answer = await request(`${url}${path}`, { method: 'POST', body: Buffer.alloc(bytes) })
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  t.match(await post('/hello', 101), {
    status: 413,
    text: /larger than pool\.bodyBytesMax \(100\)/,
  })
  t.match(await post('/counter/a', 201), { status: 413, text: /host\.bodyBytesMax \(200\)/ })
  t.equal(requests, 0)
  t.equal((await post('/hello', 100)).text, 'whole')
  t.equal((await post('/counter/a', 200)).text, 'whole')
  await front.setConfig(testConfig({ routes, ...limits, pool: { bodyBytesMax: 101 } }))
  t.equal((await post('/hello', 101)).text, 'whole', 'a changed limit counts')
  const chunked = await request(`${url}/counter/a`, {
    method: 'POST',
    body: Readable.from([Buffer.alloc(150), Buffer.alloc(150)]),
  })
  t.equal(chunked.statusCode, 413)
  t.match(await chunked.body.text(), /host\.bodyBytesMax/)
})

t.test("methods that Node's parser does not know pass only where nobody parses them", async (t) => {
  const far = await serve(t, (_req, res) => res.end('never'))
  const raw = createServer((socket) => {
    socket.once('data', (chunk) => {
      const line = String(chunk).split('\r\n', 1)[0]!
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`)
    })
  })
  await new Promise<void>((done) => raw.listen(0, '127.0.0.1', done))
  t.teardown(() => raw.close())
  const rawUrl = `http://127.0.0.1:${(raw.address() as AddressInfo).port}`
  const data = await serveData(t, () => ({
    node: 'n1',
    host: '127.0.0.1',
    port: far.port,
    epoch: 1,
  }))
  const member = node('n1', { dataPort: data.port }, { poolPort: far.port })
  const routes = [
    HELLO,
    { path: '/counter/:key', worker: '/w/counter.ts' },
    { path: '/compatible', upstreams: [rawUrl], forwarder: 'http-proxy' },
    { path: '/old', upstreams: [rawUrl] },
  ]
  const { port } = await startFront(t, new StubMembership([member]), testConfig({ routes }))
  const client = new KeptConnection(t, port)
  for (const path of ['/hello', '/counter/a', '/compatible']) {
    client.write(`BREW ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    t.match(await client.answer(), { status: 501, body: /ARIES_E_METHOD_UNKNOWN.*BREW/ }, path)
  }
  client.write('BREW /old HTTP/1.1\r\nHost: a\r\n\r\n')
  t.strictSame(await client.answer(), { status: 200, body: 'BREW /old HTTP/1.1' })
})

t.test('a head over a limit is told which, and only what helps', async (t) => {
  const config = testConfig({ routes: [HELLO], front: { headBytesMax: 2_048 } })
  const { port } = await startFront(t, new StubMembership(), config)
  const refused = async (lines: string) => {
    const client = new KeptConnection(t, port)
    client.write(`GET /hello HTTP/1.1\r\nHost: a\r\n${lines}\r\n`)
    return client.answer()
  }
  const large = await refused(`X: ${'x'.repeat(3_000)}\r\n`)
  t.match(large, { status: 431, body: /larger than 2048 bytes \(front\.headBytesMax\)/ })
  const many = await refused('X: y\r\n'.repeat(100))
  t.match(many, { status: 431, body: /more than 100 header lines/ })
  t.notMatch(many.body, /headBytesMax/)
})
