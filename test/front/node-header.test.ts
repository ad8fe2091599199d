/** Every answer says who gave it: the node, or the front itself. */
import { connect } from 'node:net'
import t from 'tap'
import { startFront } from './start.ts'
import { node, StubHost, StubMembership, serve, serveData, testConfig } from './stubs.ts'

/** The head that the front answers to `text`. */
function headOf(port: number, text: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += String(chunk)
      if (!answer.includes('\r\n\r\n')) return
      done(answer.slice(0, answer.indexOf('\r\n\r\n')))
      socket.destroy()
    })
    socket.on('error', fail)
    socket.on('close', () => fail(new Error(`closed after ${answer}`)))
  })
}

/** Values of `aries-node` in `head`. */
function nodesIn(head: string): string[] {
  return [...head.matchAll(/^aries-node: (.*)$/gim)].map((match) => match[1]!.trim())
}

const SWITCH =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

t.test('aries-node is on every answer, once', async (t) => {
  const upstream = await serve(t, (_request, response) => response.end('plain'))
  upstream.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const pool = await serve(t, (_request, response) => {
    response.setHeader('Aries-Node', 'n1')
    response.end()
  })
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type !== 'open') return
    const { sid } = frame
    if (frame.url.endsWith('/no')) host.send({ type: 'refuse', sid, status: 403, reason: 'no' })
    else host.send({ type: 'accept', sid, protocol: '' })
  }
  const data = await serveData(t, ({ key }) => (key === 'none' ? 'ARIES_E_STORE' : host.owner(1)))
  const member = node('n1', { dataPort: data.port }, { poolPort: pool.port })
  const upstreams = [`http://127.0.0.1:${upstream.port}`]
  const routes = [
    { path: '/old', upstreams },
    { path: '/compatible', upstreams, forwarder: 'http-proxy' },
    { path: '/gone', upstreams: ['http://127.0.0.1:1'] },
    { path: '/hello', task: '/w/hello.ts' },
    { path: '/room/:key', worker: '/w/room.ts' },
  ]
  const config = testConfig({ routes, front: { bodyBytesMax: 10, ownerTimeoutMs: 300 } })
  const { port } = await startFront(t, new StubMembership([member]), config)
  const cases: [string, number, string][] = [
    ['GET /old HTTP/1.1\r\nHost: a\r\n', 200, 'f1'],
    [`GET /old HTTP/1.1\r\nHost: a\r\n${SWITCH}`, 101, 'f1'],
    ['GET /compatible HTTP/1.1\r\nHost: a\r\n', 200, 'f1'],
    ['GET /hello HTTP/1.1\r\nHost: a\r\n', 200, 'n1'],
    ['GET /nowhere HTTP/1.1\r\nHost: a\r\n', 404, 'f1'],
    ['GET /gone HTTP/1.1\r\nHost: a\r\n', 502, 'f1'],
    ['POST /old HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n', 413, 'f1'],
    ['no HTTP\r\n', 400, 'f1'],
    [`GET /old HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n`, 431, 'f1'],
    [`GET /room/a HTTP/1.1\r\nHost: a\r\n${SWITCH}`, 101, 'n1'],
    [`GET /room/no HTTP/1.1\r\nHost: a\r\n${SWITCH}`, 403, 'n1'],
    [`GET /room/none HTTP/1.1\r\nHost: a\r\n${SWITCH}`, 503, 'f1'],
  ]
  for (const [request, status, who] of cases) {
    const head = await headOf(port, `${request}\r\n`)
    const line = request.slice(0, 40)
    t.equal(Number(head.slice(9, 12)), status, line)
    t.strictSame(nodesIn(head), [who], line)
  }
})

t.test('a front with all its connections open says who it is', async (t) => {
  const config = testConfig({
    routes: [{ path: '/hello', task: '/w/hello.ts' }],
    front: { connectionsMax: 1 },
  })
  const { port } = await startFront(t, new StubMembership(), config)
  const first = connect(port, '127.0.0.1')
  t.teardown(() => first.destroy())
  first.write('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n')
  await new Promise((done) => first.once('data', done))
  const head = await headOf(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 503 /)
  t.strictSame(nodesIn(head), ['f1'])
})
