/** Clients that want the front to work or to keep without end. */
import t from 'tap'
import { until } from '../../helpers/until.ts'
import { rawOrigin, reply, targetAt } from '../http1/harness.ts'
import { dialRaw, END_HEADERS, END_STREAM, frame, hpack, pseudo, TYPE } from './frames.ts'
import { startH2, startH2To } from './harness.ts'

const HTTP2 = {
  streamsMax: 10,
  windowBytes: 65_535,
  sessionMemoryMb: 1,
  resetsPerSecond: 1,
  resetsBurst: 50,
}
const ACK = frame(TYPE.settings, 1, 0)
const CANCEL = Buffer.from([0, 0, 0, 8])
/** SETTINGS_INITIAL_WINDOW_SIZE. */
const WINDOW = 4

t.test('rapid reset: who cancels all the time is disconnected', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startH2To(t, targetAt(origin.port), { http2: HTTP2 })
  const client = await dialRaw(t, front.h2)
  const head = hpack(pseudo())
  for (let stream = 1; stream < 2_000 && !client.closed; stream += 2) {
    client.send(
      frame(TYPE.headers, END_STREAM | END_HEADERS, stream, head),
      frame(TYPE.reset, 0, stream, CANCEL),
    )
    if (stream % 20 === 1) await new Promise((resolve) => setImmediate(resolve))
  }
  await until('it is cut', () => client.closed)
  await until('nothing runs', () => front.engine.stats().exchangesActive === 0)
  t.ok(front.engine.stats().requests < 200, `${front.engine.stats().requests} were begun`)
  t.match(front.engine.stats(), { connectionsOpen: 0 })
})

t.test('more streams than agreed are refused, those before are served', async (t) => {
  const origin = await rawOrigin(t, () => {
    if (origin.requests() < 10) return
    for (const one of origin.connections) {
      one.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    }
  })
  const front = await startH2To(t, targetAt(origin.port), { http2: HTTP2 })
  const client = await dialRaw(t, front.h2)
  for (let stream = 1; stream <= 23; stream += 2) client.request(stream, pseudo())
  await until('ten answers', () => client.of(TYPE.headers).length === 10)
  t.equal(await client.code(21), 7, 'REFUSED_STREAM')
  t.equal(await client.code(23), 7)
  t.equal(front.engine.stats().requests, 10)
  // Who has acknowledged the limit knows it.
  client.send(ACK)
  for (let stream = 25; stream <= 47; stream += 2) client.request(stream, pseudo())
  t.equal(await client.code(0), 1, 'PROTOCOL_ERROR')
})

t.test('a head without end is ended: CONTINUATION', async (t) => {
  const front = await startH2(t, () => reply('ok'))
  const client = await dialRaw(t, front.h2)
  client.send(frame(TYPE.headers, END_STREAM, 1, hpack(pseudo())))
  const piece = hpack([['x', 'y'.repeat(10_000)]])
  for (let i = 0; i < 200 && !client.closed; i++) {
    client.send(frame(TYPE.continuation, 0, 1, piece))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('it is cut', () => client.closed)
  t.same(front.heads, [])
})

t.test('a large head, and one of many lines, end their stream', async (t) => {
  const front = await startH2(t, () => reply('ok'), { headBytesMax: 8_192 })
  const many = Array.from({ length: 120 }, (_, i): [string, string] => [`x-${i}`, 'y'])
  const client = await dialRaw(t, front.h2)
  const large: [string, string][] = [...pseudo(), ['x', 'y'.repeat(9_000)]]
  client.request(1, large)
  await until('431', () => client.of(TYPE.data, 1).length > 0)
  t.match(client.of(TYPE.data, 1)[0]!.payload.toString(), /ARIES_E_HEAD_TOO_LARGE/)
  client.send(ACK)
  client.request(3, large)
  client.request(5, [...pseudo(), ...many])
  t.equal(await client.code(3), 11, 'ENHANCE_YOUR_CALM')
  t.equal(await client.code(5), 11)
  client.request(7, [...pseudo(), ['x', 'y'.repeat(5_000)]])
  await until('an answer', () => client.of(TYPE.data, 7).length > 0)
  t.equal(front.heads.length, 1)
})

t.test('lines that decompress to a thousand times their size end their stream', async (t) => {
  const front = await startH2(t, () => reply('ok'))
  const client = await dialRaw(t, front.h2)
  // One line into the dynamic table, then as an index of one byte, again and again.
  const value = Buffer.from('z'.repeat(3_000))
  const stored = Buffer.concat([
    Buffer.of(0x40, 1),
    Buffer.from('x'),
    Buffer.from([127, ((3_000 - 127) & 127) | 128, (3_000 - 127) >> 7]),
    value,
  ])
  const bomb = Buffer.concat([hpack(pseudo()), stored, Buffer.alloc(10_000, 0x80 | 62)])
  client.send(frame(TYPE.headers, END_STREAM | END_HEADERS, 1, bomb))
  t.equal(await client.code(1), 11)
  t.same(front.heads, [])
})

t.test('floods of PING and SETTINGS end the connection', async (t) => {
  const front = await startH2(t, () => reply('ok'))
  for (const one of [
    frame(TYPE.ping, 0, 0, Buffer.alloc(8)),
    frame(TYPE.settings, 0, 0, Buffer.from([0, WINDOW, 0, 0, 255, 255])),
  ]) {
    const client = await dialRaw(t, front.h2)
    for (let i = 0; i < 1_000 && !client.closed; i++) {
      client.send(one)
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until('it is cut', () => client.closed)
    t.equal(await client.code(0), 11, 'ENHANCE_YOUR_CALM')
  }
})

t.test('a window that stays shut costs a stream its time limit, not more', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n${'x'.repeat(500_000)}`)
  })
  const front = await startH2To(t, targetAt(origin.port), { bodyIdleTimeoutMs: 300 })
  const client = await dialRaw(t, front.h2, [WINDOW, 0])
  client.request(1, pseudo())
  client.request(3, pseudo())
  t.equal(await client.code(1), 8, 'CANCEL')
  t.equal(await client.code(3), 8)
  await until('nothing is kept', () => {
    const { exchangesActive, upstreamConnectionsOpen } = front.engine.stats()
    return exchangesActive === 0 && upstreamConnectionsOpen === 0
  })
  t.ok(front.engine.stats().bytesOut < 500_000)
})

t.test('a small answer behind a shut window does not keep its stream either', async (t) => {
  const front = await startH2(t, () => reply('hello'), { bodyIdleTimeoutMs: 300 })
  const client = await dialRaw(t, front.h2, [WINDOW, 0])
  client.request(1, pseudo())
  t.equal(await client.code(1), 8)
})

t.test('a body that does not come is answered 408, an idle connection ended', async (t) => {
  const front = await startH2(t, () => reply('hello'), {
    bodyIdleTimeoutMs: 300,
    idleTimeoutMs: 600,
  })
  const origin = await rawOrigin(t, () => {})
  const slow = await startH2To(t, targetAt(origin.port), { bodyIdleTimeoutMs: 300 })
  const client = await dialRaw(t, slow.h2)
  client.request(1, pseudo({ ':method': 'POST' }), 0)
  client.send(frame(TYPE.data, 0, 1, Buffer.from('abc')))
  await until('408', () => client.of(TYPE.data, 1).length > 0)
  t.match(client.of(TYPE.data, 1)[0]!.payload.toString(), /ARIES_E_REQUEST_TIMEOUT/)
  t.equal(await client.code(1), 0)

  const idle = await dialRaw(t, front.h2)
  idle.request(1, pseudo())
  t.equal(await idle.code(0), 0, 'GOAWAY without an error')
  await until('the end', () => idle.closed)
  const mute = await dialRaw(t, front.h2)
  await until('the end', () => mute.closed)
  t.equal(front.engine.stats().connectionsOpen, 0)
})

t.test('a connection that never says what it speaks is cut', async (t) => {
  const { connect } = await import('node:net')
  const front = await startH2(t, () => reply('hello'), { headTimeoutMs: 300 })
  for (const begin of ['', 'PR']) {
    const socket = connect(front.h2, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write(begin)
    socket.resume()
    await new Promise((done) => socket.once('close', done).on('error', () => {}))
  }
  t.equal(front.engine.stats().connectionsTotal, 0)
  const full = await startH2(t, () => reply('hello'), { connectionsMax: 1 })
  const first = connect(full.h2, '127.0.0.1')
  t.teardown(() => first.destroy())
  first.write('P')
  await new Promise((done) => setImmediate(done))
  const second = connect(full.h2, '127.0.0.1').resume()
  await new Promise((done) => second.once('close', done))
  t.equal(full.engine.stats().connectionsRefused, 1)
})
