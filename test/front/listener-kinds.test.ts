/** Listeners that know who the client is by a PROXY header, by its server name, at a Unix socket. */
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createHttp, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { proxyHeader } from '../../src/front/proxy-protocol.ts'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, testConfig } from './stubs.ts'

const TLS = fileURLToPath(new URL('fixtures/tls/', import.meta.url))
const [cert, key, ca] = ['shop.pem', 'shop.key', 'ca.pem'].map((name) => readFileSync(TLS + name))
const PEER = {
  remoteAddress: '192.0.2.7',
  remotePort: 4321,
  localAddress: '198.51.100.2',
  localPort: 443,
}

type At = { readonly host: string; readonly port: number }

async function open(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** An HTTP server that says who it was told the client is. */
async function whoServer(t: Test): Promise<string> {
  const server = createHttp((request, response) => {
    response.end(`${request.headers['x-forwarded-for']} ${request.headers['x-forwarded-proto']}`)
  })
  t.teardown(() => server.closeAllConnections())
  return `http://127.0.0.1:${await open(t, server)}`
}

/** Everything that comes until the end, or the code of what went wrong. */
function all(socket: Socket): Promise<string> {
  let got = ''
  return new Promise((resolve) => {
    socket.on('data', (data) => {
      got += String(data)
    })
    socket.on('end', () => resolve(got))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
  })
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

function bodyOf(answer: string): string {
  return answer.slice(answer.lastIndexOf('\r\n\r\n') + 4)
}

t.test('a PROXY header of a trusted proxy names the client', async (t) => {
  const config = testConfig({
    listeners: [
      {
        http: '127.0.0.1:0',
        proxyProtocol: { from: ['127.0.0.0/8'], timeoutMs: 300 },
      },
      {
        http: '127.0.0.2:0',
        proxyProtocol: { from: ['127.0.0.1'] },
        tls: { certificates: [{ cert: `${TLS}shop.pem`, key: `${TLS}shop.key` }] },
      },
      { http: '127.0.0.3:0', proxyProtocol: { from: ['10.0.0.0/8'] } },
    ],
    routes: [{ path: '/', upstreams: [await whoServer(t)] }],
  })
  const { front } = await startFront(t, new StubMembership(), config)
  const [plain, encrypted, strange] = front.addresses()
  const ask = async (to: At, first: Buffer | string, rest = ''): Promise<string> => {
    const socket = connect(to.port, to.host)
    t.teardown(() => socket.destroy())
    socket.write(first)
    if (rest !== '') setImmediate(() => socket.write(rest))
    return all(socket)
  }
  t.equal(bodyOf(await ask(plain!, proxyHeader('v1', PEER) + GET)), '192.0.2.7 http')
  t.equal(bodyOf(await ask(plain!, proxyHeader('v2', PEER), GET)), '192.0.2.7 http')
  t.equal(bodyOf(await ask(plain!, proxyHeader('v1', undefined) + GET)), '127.0.0.1 http')
  t.equal(await ask(plain!, GET), 'ECONNRESET', 'the header is missing')
  t.equal(await ask(plain!, 'PROXY TCP4 '), 'ECONNRESET', 'the header does not come in time')
  t.equal(bodyOf(await ask(strange!, GET)), '127.0.0.1 http', 'no proxy: taken as it is')
  t.match(await ask(strange!, proxyHeader('v1', PEER) + GET), /^HTTP\/1.1 400 /)
  await until('both are counted', () => front.stats().proxyFailures === 2)

  const raw = connect(encrypted!.port, encrypted!.host)
  raw.write(proxyHeader('v2', PEER))
  const secure = connectTls({ socket: raw, servername: 'shop.example', ca: ca! })
  t.teardown(() => raw.destroy())
  secure.write(GET)
  t.equal(bodyOf(await all(secure)), '192.0.2.7 https')
})

t.test('raw connections go by the server name, unterminated, and are told of', async (t) => {
  const serve = async (name: string): Promise<string> => {
    const server = createTls({ cert, key, ALPNProtocols: ['h2', 'x'] }, (socket) =>
      socket.end(name),
    )
    return `tcp://127.0.0.1:${await open(t, server)}`
  }
  let told = ''
  const plain = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      told += String(data)
      if (told.includes('hello?')) socket.end('plain')
    })
  })
  const config = testConfig({
    listeners: [
      {
        tcp: '127.0.0.1:0',
        sni: [
          { names: ['shop.example'], alpn: ['h2'], upstreams: [await serve('h2')] },
          { names: ['shop.example', '*.other.example'], upstreams: [await serve('named')] },
        ],
      },
      {
        tcp: '127.0.0.2:0',
        sni: [{ names: ['shop.example'], upstreams: [await serve('named')] }],
        upstreams: [`tcp://127.0.0.1:${await open(t, plain)}`],
        sendProxyProtocol: 'v1',
        proxyProtocol: { from: ['127.0.0.1'] },
      },
    ],
    routes: [{ path: '/', task: '/w/hello.ts' }],
    front: { headTimeoutMs: 300 },
  })
  const { front } = await startFront(t, new StubMembership(), config)
  const [byName, orPlain] = front.addresses()
  const ask = (servername: string, ALPNProtocols?: string[]): Promise<string> => {
    const options = { port: byName!.port, host: byName!.host, rejectUnauthorized: false }
    const protocols = ALPNProtocols ? { ALPNProtocols } : {}
    return all(connectTls({ ...options, servername, ...protocols }))
  }
  t.equal(await ask('shop.example', ['h2']), 'h2')
  t.equal(await ask('shop.example'), 'named')
  t.equal(await ask('SHOP.example', ['x']), 'named')
  t.equal(await ask('a.other.example'), 'named')
  t.match(await ask('a.b.other.example'), /UNRECOGNIZED_NAME/)
  t.match(await ask('other.example'), /UNRECOGNIZED_NAME/)
  const silent = connect(byName!.port, byName!.host)
  t.equal(await all(silent), 'ECONNRESET', 'no ClientHello in time')
  await until('they are counted', () => front.stats().sniFailures === 3)

  told = ''
  const socket = connect(orPlain!.port, orPlain!.host)
  socket.write(`${proxyHeader('v2', PEER).toString('latin1')}`, 'latin1')
  socket.write('hello?')
  t.equal(await all(socket), 'plain')
  t.equal(told, 'PROXY TCP4 192.0.2.7 198.51.100.2 4321 443\r\nhello?')
})

t.test('a Unix socket: permissions, what was left behind, a reload, its end', async (t) => {
  // Paths of sockets have to be short.
  const folder = mkdtempSync(join(tmpdir(), 'aries-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [path, other] = [join(folder, 'a.sock'), join(folder, 'b.sock')]
  const settings = {
    routes: [{ path: '/', upstreams: [await whoServer(t)] }],
    front: { trustedProxies: ['unix'], shards: 2 },
  }
  const config = testConfig({ ...settings, listeners: [{ http: `unix:${path}`, mode: '606' }] })
  writeFileSync(path, '')
  const membership = new StubMembership()
  await t.rejects(startFront(t, membership, config), { message: /not a socket/ })
  unlinkSync(path)
  const left = createServer((socket) => socket.destroy()).listen(path)
  await once(left, 'listening')
  await t.rejects(startFront(t, membership, config), { code: 'ARIES_E_PORT_IN_USE' })
  // What a killed process leaves: the file without a listener.
  renameSync(path, other)
  left.close()
  await once(left, 'close')
  renameSync(other, path)
  const { front } = await startFront(t, new StubMembership(), config)
  t.equal(statSync(path).mode & 0o777, 0o606)
  const ask = (socketPath: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { 'x-forwarded-for': '192.0.2.9' }
      request({ socketPath, path: '/', headers, agent: false }, (response) => {
        response.on('data', (data) => resolve(String(data)))
      })
        .on('error', reject)
        .end()
    })
  t.equal(await ask(path), '192.0.2.9, unix http')
  await front.setConfig(testConfig({ ...settings, listeners: [{ http: `unix:${other}` }] }))
  t.equal(existsSync(path), false)
  t.equal(await ask(other), '192.0.2.9, unix http')
  await front.stop()
  t.equal(existsSync(other), false)
})
