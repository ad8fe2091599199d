/** Upstreams over TLS, and over Unix sockets. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import {
  createServer as createClear,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import { type AddressInfo, connect, createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, testConfig } from './stubs.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/tls/${name}`, import.meta.url))
const pair = (name: string) => ({
  cert: readFileSync(fixture(`${name}.pem`)),
  key: readFileSync(fixture(`${name}.key`)),
})
const CA = { ca: fixture('ca.pem') }

async function secure(t: Test, handle: RequestListener, options: ServerOptions = pair('shop')) {
  const server = createHttps(options, handle)
  server.listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** Without checks in the way: an answer is that of a request. */
function frontOf(t: Test, upstream: unknown, health: object = { intervalMs: 3_600_000 }) {
  const routes = [{ path: '/*', upstreams: [upstream], upstreamHost: 'upstream' }]
  return startFront(t, new StubMembership(), testConfig({ routes, health }))
}

t.test('an upstream is spoken to over TLS, its connection and its session are kept', async (t) => {
  const seen: boolean[] = []
  let checks = 0
  const { server, port } = await secure(t, (req, res) => {
    if (req.headers['user-agent'] === 'aries-health') checks++
    res.end(`${req.headers.host} ${(req.socket as TLSSocket).alpnProtocol}`)
  })
  server.on('secureConnection', (socket) => seen.push(socket.isSessionReused()))
  const { url } = await frontOf(t, { url: `https://localhost:${port}`, tls: CA })
  const get = async () => (await fetch(url)).text()
  t.equal(await get(), `localhost:${port} http/1.1`)
  t.equal(await get(), `localhost:${port} http/1.1`)
  // The check has a connection of its own.
  await until('the first check', () => checks === 1)
  const before = seen.length
  server.closeAllConnections()
  t.equal(await get(), `localhost:${port} http/1.1`)
  t.equal(seen.length, before + 1)
  t.equal(seen.at(-1), true, 'the session is resumed')
})

t.test('who is not to be trusted is not spoken to, and the answer says why', async (t) => {
  let asked = 0
  const handle: RequestListener = (req, res) => {
    if (req.method === 'POST') asked++
    res.end('reached')
  }
  const shop = await secure(t, handle)
  const expired = await secure(t, handle, pair('expired'))
  const plain = createHttp(handle).listen(0, '127.0.0.1')
  t.teardown(() => plain.close())
  await new Promise((done) => plain.once('listening', done))
  const plainPort = (plain.address() as AddressInfo).port
  const cases: [string, object, RegExp][] = [
    [`https://localhost:${shop.port}`, {}, /unable to verify/i],
    [`https://127.0.0.1:${shop.port}`, { tls: CA }, /IP: 127\.0\.0\.1 is not in the cert/],
    [`https://LOCALHOST:${shop.port}`, { tls: { ...CA, serverName: 'b.example' } }, /b\.example/],
    [`https://localhost:${expired.port}`, { tls: { ca: fixture('expired.pem') } }, /expired/],
    [`https://localhost:${plainPort}`, { tls: CA }, /SSL|wrong version|packet length/i],
    [`https://LOCALHOST:${expired.port}`, { tls: { verify: false } }, /^$/],
    [`https://127.0.0.1:${shop.port}/`, { tls: { ...CA, serverName: 'shop.example' } }, /^$/],
  ]
  const routes = cases.map(([upstream, tls], i) => ({
    path: `/${i}`,
    upstreams: [{ url: upstream, ...tls }],
  }))
  const { url, front } = await startFront(
    t,
    new StubMembership(),
    testConfig({ routes, health: { intervalMs: 3_600_000 } }),
  )
  for (const [i, [upstream, , why]] of cases.entries()) {
    const answer = await fetch(`${url}/${i}`, { method: 'POST', body: 'x' })
    if (why.test('')) {
      t.equal(await answer.text(), 'reached', upstream)
      continue
    }
    t.equal(answer.status, 502)
    const { error } = (await answer.json()) as { error: { code: string; message: string } }
    t.equal(error.code, 'ARIES_E_UPSTREAM_TLS', upstream)
    t.match(error.message, why)
    await until('the state says why', () => {
      const state = front.states.list().find((one) => one.url === upstream)
      return state?.state === 'out' && why.test(state.why ?? '')
    })
  }
  t.equal(asked, 2)
})

t.test('the front shows its certificate; checks do so too', async (t) => {
  const options = { ...pair('shop'), ca: readFileSync(fixture('client.pem')), requestCert: true }
  const paths: string[] = []
  const { port } = await secure(
    t,
    (req, res) => {
      paths.push(req.url!)
      res.end((req.socket as TLSSocket).getPeerCertificate().subject.CN)
    },
    options,
  )
  const own = { cert: fixture('client.pem'), key: fixture('client.key') }
  const tls = { ...CA, ...own }
  const health = { intervalMs: 50, path: '/health' }
  const { url, front } = await frontOf(t, { url: `https://localhost:${port}`, tls }, health)
  t.equal(await (await fetch(url)).text(), 'front.example')
  await until('two checks', () => paths.filter((path) => path === '/health').length >= 2)
  t.match(front.states.list(), [{ state: 'in' }])
})

t.test('a WebSocket passes to an upstream over TLS', async (t) => {
  const { server, port } = await secure(t, () => {})
  const sockets = new WebSocketServer({ server: server as unknown as Server })
  sockets.on('connection', (ws) =>
    ws.on('message', (data: Buffer) => ws.send(`got ${data.toString()}`)),
  )
  const front = await frontOf(t, { url: `https://localhost:${port}`, tls: CA })
  const client = new WebSocket(`ws://127.0.0.1:${front.port}/`)
  t.teardown(() => client.terminate())
  client.on('open', () => client.send('hello'))
  const got = await new Promise<Buffer>((done) => client.once('message', done))
  t.equal(got.toString(), 'got hello')
})

t.test('HTTP/2 to upstreams, over TLS and without, and checks of them', async (t) => {
  const checks: string[] = []
  const answer = (name: string) => (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    if (headers[':path'] === '/health') checks.push(name)
    stream.respond({ ':status': 200 })
    stream.end(`${name} ${headers[':scheme']} ${headers[':authority']}`)
  }
  const tls = createSecureServer(pair('shop')).on('stream', answer('tls'))
  const clear = createClear().on('stream', answer('clear'))
  const old = await secure(t, (_, res) => res.end('old'), {
    ...pair('shop'),
    ALPNProtocols: ['http/1.1'],
  })
  const ports = new Map<string, number>()
  for (const [name, server] of [
    ['tls', tls],
    ['clear', clear],
  ] as const) {
    server.on('session', (one) => t.teardown(() => one.destroy()))
    server.listen(0, '127.0.0.1')
    await new Promise((done) => server.once('listening', done))
    t.teardown(() => server.close())
    ports.set(name, (server.address() as AddressInfo).port)
  }
  const upstreams = [
    { url: `h2://localhost:${ports.get('tls')}`, tls: CA },
    { url: `h2c://localhost:${ports.get('clear')}` },
    { url: `h2://localhost:${old.port}`, tls: CA },
  ]
  const routes = upstreams.map((one, i) => ({ path: `/${i}`, upstreams: [one] }))
  const { url, front } = await startFront(
    t,
    new StubMembership(),
    testConfig({ routes, health: { intervalMs: 50, path: '/health' } }),
  )
  const own = new URL(url).host
  t.equal(await (await fetch(`${url}/0`)).text(), `tls https ${own}`)
  t.equal(await (await fetch(`${url}/1`)).text(), `clear http ${own}`)
  const refused = await fetch(`${url}/2`)
  t.equal(refused.status, 502)
  t.match(await refused.text(), /ALPN|no application protocol/)
  await until('checks of both', () => checks.includes('tls') && checks.includes('clear'))
  t.match(front.states.list().slice(0, 2), [{ state: 'in' }, { state: 'in' }])
})

t.test('upstreams at Unix sockets, of HTTP and of raw TCP', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'aries-unix-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const paths: string[] = []
  const http = createHttp((req, res) => {
    paths.push(req.url!)
    res.end(req.headers.host)
  })
  const raw = createTcp((socket) => socket.on('error', () => {}).end('raw'))
  for (const [server, name] of [
    [http, 'http'],
    [raw, 'raw'],
  ] as const) {
    server.listen(join(dir, name))
    await new Promise((done) => server.once('listening', done))
    t.teardown(() => server.close())
  }
  const { url, front } = await startFront(
    t,
    new StubMembership(),
    testConfig({
      listeners: [
        { http: '127.0.0.1:0' },
        { tcp: '127.0.0.1:0', upstreams: [`unix:${join(dir, 'raw')}`] },
      ],
      routes: [{ path: '/*', upstreams: [`unix:${join(dir, 'http')}`], upstreamHost: 'upstream' }],
      health: { intervalMs: 50, path: '/health' },
    }),
  )
  t.match(await (await fetch(url)).text(), /^localhost/)
  await until('a check', () => paths.includes('/health'))
  t.match(front.states.list(), [{ state: 'in' }, { state: 'in' }])
  const client = connect(front.addresses()[1]!.port, '127.0.0.1')
  let text = ''
  client.on('data', (chunk) => {
    text += String(chunk)
  })
  await new Promise((done) => client.once('close', done))
  t.equal(text, 'raw')
  http.closeAllConnections()
  await new Promise((done) => http.close(done))
  t.equal((await fetch(url)).status, 502)
})
