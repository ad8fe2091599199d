import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { startFront } from './start.ts'
import { StubMembership, serve, type Teardown, testConfig } from './stubs.ts'

// By an authority that nobody knows, until the year 2126.
const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/tls/${name}`, import.meta.url))
const pair = (name: string) => ({ cert: fixture(`${name}.pem`), key: fixture(`${name}.key`) })
const ca = readFileSync(fixture('ca.pem'))

async function start(t: Teardown, tls: object | undefined) {
  const origin = await serve(t, (req, res) => res.end(req.headers['x-forwarded-proto']))
  const config = (terms: object | undefined, http2?: boolean) =>
    testConfig({
      listeners: [{ http: '127.0.0.1:0', http2, ...(terms && { tls: terms }) }],
      routes: [{ path: '/*', upstreams: [`http://127.0.0.1:${origin.port}`] }],
    })
  return { ...(await startFront(t, new StubMembership(), config(tls))), config }
}

async function open(
  t: Teardown,
  port: number,
  servername: string,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca, servername, ...options })
  t.teardown(() => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve).once('error', reject)
  })
  return socket
}

async function ask(socket: TLSSocket): Promise<string> {
  let text = ''
  const heard = (chunk: Buffer): void => {
    text += String(chunk)
  }
  socket.on('data', heard)
  socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('an answer', () => text.endsWith('\r\n\r\nhttps'))
  socket.off('data', heard)
  return text
}

const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN

t.test('a client gets the certificate for the host that it names', async (t) => {
  const { port } = await start(t, { certificates: [pair('shop'), pair('any')] })
  const socket = await open(t, port, 'shop.example', { ALPNProtocols: ['http/1.1'] })
  t.equal(nameOf(socket), 'shop.example')
  t.equal(socket.alpnProtocol, 'http/1.1')
  t.equal(socket.getProtocol(), 'TLSv1.3')
  t.match(await ask(socket), /^HTTP\/1\.1 200 OK/)
  t.match(await ask(socket), /^HTTP\/1\.1 200 OK/, 'the connection is kept')
  t.equal(nameOf(await open(t, port, 'B.any.example')), 'any.example')
  await t.rejects(open(t, port, 'a.b.any.example'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  t.equal(nameOf(await open(t, port, '', { checkServerIdentity: () => undefined })), 'shop.example')
})

t.test('HTTP/2 where the client prefers or the listener allows it', async (t) => {
  const tls = { certificates: [pair('shop')] }
  const { port, front, config } = await start(t, tls)
  const both = { ALPNProtocols: ['http/1.1', 'h2'] }
  const socket = await open(t, port, 'shop.example', both)
  t.equal(socket.alpnProtocol, 'h2')
  const client = connectHttp2('https://shop.example', { createConnection: () => socket })
  t.teardown(() => client.destroy())
  const stream = client.request({ ':path': '/x' })
  let text = ''
  stream.on('data', (chunk) => {
    text += String(chunk)
  })
  await new Promise((done) => stream.once('close', done))
  t.equal(text, 'https')
  await front.setConfig(config(tls, false))
  t.equal((await open(t, port, 'shop.example', both)).alpnProtocol, 'http/1.1')
  t.equal(client.closed, false, 'what was agreed on stays')
  await until('it is a client', () => front.stats().connections >= 1)
})

t.test('GOAWAY when a name or the listener is gone; what runs is finished', async (t) => {
  const held: (() => void)[] = []
  const origin = await serve(t, (req, res) => {
    if (req.url === '/slow') held.push(() => res.end('slow'))
    else res.end('quick')
  })
  const config = (listeners: object[]) =>
    testConfig({
      listeners,
      routes: [{ path: '/*', upstreams: [`http://127.0.0.1:${origin.port}`] }],
    })
  const http = '127.0.0.1:0'
  const both = { http, tls: { certificates: [pair('shop'), pair('any')] } }
  const { front, port } = await startFront(t, new StubMembership(), config([both]))
  const dial = async () => {
    const socket = await open(t, port, 'shop.example', { ALPNProtocols: ['h2'] })
    const client = connectHttp2('https://shop.example', { createConnection: () => socket })
    t.teardown(() => client.destroy())
    const told = { goaway: false }
    client.on('goaway', () => {
      told.goaway = true
    })
    const ask = async (path: string): Promise<string> => {
      const stream = client.request({ ':path': path })
      let text = ''
      for await (const chunk of stream) text += String(chunk)
      return text
    }
    return { client, told, ask }
  }
  const first = await dial()
  const slow = first.ask('/slow')
  await until('it is there', () => held.length === 1)
  await front.setConfig(config([both]))
  t.equal(await first.ask('/'), 'quick', 'a reload that takes nothing away closes nothing')
  t.equal(first.told.goaway, false)
  await front.setConfig(config([{ http, tls: { certificates: [pair('shop')] } }]))
  await until('it hears of it', () => first.told.goaway)
  held[0]!()
  t.equal(await slow, 'slow')
  await until('its connection is over', () => first.client.destroyed)

  const second = await dial()
  t.equal(await second.ask('/'), 'quick')
  await front.setConfig(config([{ http: 'localhost:0' }]))
  await until('it hears of it', () => second.told.goaway)
})

t.test('a session is resumed, by old clients too', async (t) => {
  const { port } = await start(t, { certificates: [pair('shop')] })
  const first = await open(t, port, 'shop.example', { maxVersion: 'TLSv1.2' })
  await ask(first)
  const again = await open(t, port, 'shop.example', {
    maxVersion: 'TLSv1.2',
    session: first.getSession()!,
  })
  t.equal(again.isSessionReused(), true)
})

t.test('what is not TLS, too old or of another protocol is turned away', async (t) => {
  const { port, front } = await start(t, {
    certificates: [pair('shop')],
    minVersion: 'TLSv1.3',
  })
  await t.rejects(open(t, port, 'shop.example', { maxVersion: 'TLSv1.2' }), /protocol version/)
  await t.rejects(
    open(t, port, 'shop.example', { ALPNProtocols: ['spdy/3'] }),
    /no application protocol/,
  )
  const plain = connectPlain(port, '127.0.0.1')
  t.teardown(() => plain.destroy())
  const closed = new Promise((resolve) => plain.once('close', resolve).on('error', () => {}))
  plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await closed
  await until('all are counted', () => front.stats().tlsFailures === 3)
  await ask(await open(t, port, 'shop.example'))
})

t.test('replaced files are used for new clients, half replaced ones are not', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'aries-tls-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')]
  const put = (from: string, to: string): void => {
    copyFileSync(fixture(from), `${to}.new`)
    renameSync(`${to}.new`, to)
  }
  put('shop.pem', cert)
  put('shop.key', key)
  const { port } = await start(t, { certificates: [{ cert, key }] })
  const serial = async () => (await open(t, port, 'shop.example')).getPeerCertificate().serialNumber
  const old = await serial()
  const kept = await open(t, port, 'shop.example')
  put('next.pem', cert)
  t.equal(await serial(), old, 'its key is not there yet')
  put('next.key', key)
  await until('the new one is in use', async () => (await serial()) !== old)
  writeFileSync(cert, 'nonsense')
  await ask(kept)
  t.not(await serial(), old)
})

t.test('files that cannot be used are refused with their reason', async (t) => {
  const of = (cert: string, key: string) => ({
    certificates: [{ cert: fixture(cert), key: fixture(key) }],
  })
  const refused = (tls: object, message: RegExp) =>
    t.rejects(start(t, tls), { code: 'ARIES_E_CONFIG', message })
  await refused(of('shop.pem', 'any.key'), /is not the certificate of the key in .*any\.key/)
  await refused(of('none.pem', 'shop.key'), /none\.pem cannot be used: ENOENT/)
  await refused(of('shop.key', 'shop.key'), /shop\.key cannot be used/)

  const { port, front, config } = await start(t, { certificates: [pair('shop')] })
  await t.rejects(front.setConfig(config(of('shop.pem', 'any.key'))), { code: 'ARIES_E_CONFIG' })
  await ask(await open(t, port, 'shop.example'))
  await front.setConfig(config({ certificates: [pair('any')] }))
  t.equal(nameOf(await open(t, port, 'a.any.example')), 'any.example')
  await front.setConfig(config(undefined))
  t.equal((await fetch(`http://127.0.0.1:${port}/x`)).status, 200, 'without TLS from now on')
})
