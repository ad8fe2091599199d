/** WebSockets over HTTP/2: extended CONNECT (RFC 8441), to upstreams of HTTP/1 and to workers. */
import { createHash } from 'node:crypto'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import t, { type Test } from 'tap'
import { until } from '../../helpers/until.ts'
import { rawOrigin, reply, targetAt } from '../http1/harness.ts'
import { accepting, front as startRooms } from '../room-client.ts'
import { StubHost } from '../stubs.ts'
import { ask, startH2, startH2To } from './harness.ts'

const CONNECT = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':path': '/room/lobby',
  'sec-websocket-version': '13',
}

async function dialSocket(t: Test, port: number): Promise<ClientHttp2Session> {
  const client = connect(`http://127.0.0.1:${port}`)
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  await new Promise((done) => client.once('remoteSettings', done))
  t.equal(client.remoteSettings.enableConnectProtocol, true)
  return client
}

/** The stream when it is answered, and all that it got. */
async function open(client: ClientHttp2Session, headers: object = CONNECT) {
  const stream = client.request({ ...headers })
  stream.on('error', () => {})
  const got = { text: '', status: 0, headers: {} as Record<string, unknown> }
  stream.on('data', (chunk: Buffer) => {
    got.text += chunk.toString('latin1')
  })
  await new Promise<void>((done) => {
    stream.once('close', done)
    stream.once('response', (all) => {
      got.status = Number(all[':status'])
      got.headers = all
      done()
    })
  })
  return { stream, got }
}

/** A short frame of a client: masked with zeros. */
function wsFrame(opcode: number, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | bytes.length, 0, 0, 0, 0), bytes])
}

const closed = (stream: ClientHttp2Stream) =>
  stream.closed ? Promise.resolve() : new Promise((done) => stream.once('close', done))

t.test('a tunnel to an upstream of HTTP/1', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    const end = connection.text.indexOf('\r\n\r\n')
    const key = /sec-websocket-key: (\S+)/i.exec(connection.text)?.[1]
    if (end < 0) return
    const rest = connection.text.slice(end + 4)
    if (key === undefined || rest !== '') {
      connection.write(rest.toUpperCase())
      return
    }
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    connection.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\nearly `,
    )
  })
  const front = await startH2To(t, targetAt(origin.port))
  const client = await dialSocket(t, front.h2)
  const { stream, got } = await open(client)
  t.match(got, { status: 200, headers: { 'x-own': '1' } })
  t.notOk(got.headers['sec-websocket-accept'])
  t.notOk(got.headers['upgrade'])
  t.match(
    origin.connections[0]!.text,
    /^GET \/room\/lobby HTTP\/1\.1\r\n[\s\S]*Connection: Upgrade\r\nUpgrade: websocket\r\n/,
  )
  stream.write('hello')
  await until('both ways', () => got.text === 'early HELLO')
  t.match(front.engine.stats(), { tunnelsOpen: 1, exchangesActive: 1 })
  origin.connections[0]!.socket.end()
  await until('half is closed', () => stream.readableEnded)
  stream.end()
  await closed(stream)
  await until('the record', () => front.records.length === 1)
  t.match(front.records, [{ status: 101, version: '2.0' }])
  t.match(front.engine.stats(), { tunnelsOpen: 0, connectionsOpen: 1 })
})

t.test('an upstream that does not switch is no tunnel', async (t) => {
  const answers = [
    ['200 OK', 502],
    ['403 No', 403],
  ] as const
  for (const [answer, status] of answers) {
    const origin = await rawOrigin(t, (connection) => {
      connection.write(`HTTP/1.1 ${answer}\r\nContent-Length: 2\r\n\r\nno`)
    })
    const front = await startH2To(t, targetAt(origin.port))
    t.match(await ask(await dialSocket(t, front.h2), CONNECT), { status })
  }
  const liar = await rawOrigin(t, (connection) => {
    connection.write(
      'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
    )
  })
  const front = await startH2To(t, targetAt(liar.port))
  const { stream, got } = await open(await dialSocket(t, front.h2))
  await closed(stream)
  t.equal(got.status, 0)
  const replies = await startH2(t, () => reply('hello'))
  const client = await dialSocket(t, replies.h2)
  t.match(await ask(client, CONNECT), { status: 501 })
  t.match(await ask(client, { ...CONNECT, ':protocol': 'connect-udp' }), { status: 501 })
})

const ROOM = { listeners: [{ http: '127.0.0.1:0', http2: true }] }

t.test('a session with a worker', async (t) => {
  const host = accepting(await StubHost.open(t, 'n1'))
  const { port, front: running } = await startRooms(t, host.owner(1), ROOM)
  const client = await dialSocket(t, port)
  const { stream, got } = await open(client, { ...CONNECT, 'x-own': 'yes' })
  t.match(got, { status: 200, headers: { 'aries-node': 'n1' } })
  const { sid, headers, url } = host.of('open')[0]!
  t.equal(url, '/room/lobby')
  t.equal(new Map(headers).get('x-own'), 'yes')
  stream.write(wsFrame(1, 'hello'))
  await until('it came', () => host.of('message').length === 1)
  t.match(host.of('message'), [{ sid, n: 1, data: 'hello' }])
  host.send({ type: 'message', sid, n: 1, data: 'welcome' })
  await until('the answer', () => got.text === '\x81\x07welcome')
  const other = await open(client)
  t.equal(other.got.status, 200, 'another on the same connection')
  await until('both are counted', () => running.stats().sessions === 2)
  stream.end(wsFrame(8, Buffer.from([0x03, 0xe8])))
  await closed(stream)
  await until('the host hears it', () => host.of('close').length === 1)
  other.stream.close(8)
  await until('and of the one that was cut', () => host.of('close').length === 2)
  t.equal(host.of('close')[1]!.code, 1006)
  t.equal(client.closed, false)
})

t.test('a refusal is a status; a front that stops says 1001 and GOAWAY', async (t) => {
  const host = await StubHost.open(t, 'n1')
  host.onFrame = (frame) => {
    if (frame.type !== 'open') return
    if (frame.worker.endsWith('no')) {
      host.send({ type: 'refuse', sid: frame.sid, status: 403, reason: 'not you' })
    } else host.send({ type: 'accept', sid: frame.sid, protocol: '' })
  }
  const { port, front: running } = await startRooms(t, host.owner(1), ROOM)
  const client = await dialSocket(t, port)
  const refused = await ask(client, { ...CONNECT, ':path': '/room/no' })
  t.equal(refused.status, 403)
  t.match(JSON.parse(refused.body), { error: { message: 'not you' } })
  t.match(await ask(client, { ...CONNECT, 'sec-websocket-version': '7' }), { status: 400 })
  const { stream, got } = await open(client)
  const goaway = new Promise((done) => client.once('goaway', done))
  const stopped = running.stop()
  await until('the close frame', () => got.text.startsWith('\x88') && got.text.length >= 4)
  t.equal(Buffer.from(got.text.slice(2, 4), 'latin1').readUInt16BE(0), 1001)
  stream.end(wsFrame(8, Buffer.from([0x03, 0xe9])))
  t.equal(await goaway, 0)
  await stopped
})
