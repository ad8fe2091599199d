/** Connections that break off anywhere, from either side, and those that never come to an end. */
import t from 'tap'
import { until } from '../../helpers/until.ts'
import { dial, type Front, type RawSocket, rawOrigin, startFrontTo, targetAt } from './harness.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const BODY = '5;x=y\r\nhello\r\n0\r\nSum: 1\r\n\r\n'
const POST = `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n${BODY}`
const ANSWER = `HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n${BODY}`

/** Nothing is left of anybody, and the next client is served. */
async function isWell(front: Front, dialOne: () => Promise<RawSocket>): Promise<void> {
  await until('all are gone', () => {
    const { connectionsOpen, exchangesActive } = front.engine.stats()
    return connectionsOpen === 0 && exchangesActive === 0
  })
  const client = await dialOne()
  client.write(GET)
  await client.has('\r\n\r\nok')
  client.socket.destroy()
}

/** Every length of a beginning of `text`. */
function lengthsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, i) => i + 1)
}

for (const how of ['resets', 'ends'] as const) {
  t.test(`a client ${how} after any byte of its request`, async (t) => {
    const origin = await rawOrigin(t, (connection) => {
      const last = connection.text.slice(connection.text.lastIndexOf('HTTP/1.1'))
      const isPost = last.includes('chunked')
      if (last.endsWith(isPost ? 'Sum: 1\r\n\r\n' : '\r\n\r\n')) connection.write(OK)
    })
    const front = await startFrontTo(t, targetAt(origin.port))
    const clients = await Promise.all(
      lengthsOf(POST).map(async (length) => {
        const client = await dial(t, front.port)
        client.write(POST.slice(0, length))
        return client
      }),
    )
    const sent = lengthsOf(POST).reduce((sum, length) => sum + length, 0)
    await until('the engine has read it', () => front.engine.stats().bytesIn === sent)
    for (const { socket } of clients) {
      if (how === 'resets') socket.resetAndDestroy()
      else socket.end()
    }
    await Promise.all(clients.map((client) => client.gone()))
    await isWell(front, () => dial(t, front.port))
    const whole = () => origin.connections.filter(({ text }) => text.includes('Sum: 1\r\n\r\n'))
    await until('the target saw the one that was whole', () => whole().length > 0)
    t.equal(whole().length, 1, 'and the end of no other')
    const answered = front.records.filter(
      ({ method, status }) => method === 'POST' && status === 200,
    )
    t.ok(answered.length <= 1, 'nothing else was answered')
  })

  t.test(`a target ${how} after any byte of its answer`, async (t) => {
    const origin = await rawOrigin(t, ({ text, socket }) => {
      const length = Number(/^GET \/(\d+) /.exec(text)?.[1] ?? 0)
      if (length === 0) {
        socket.write(OK)
        return
      }
      socket.write(ANSWER.slice(0, length), () => {
        if (how === 'resets') socket.resetAndDestroy()
        else socket.end()
      })
    })
    const front = await startFrontTo(t, targetAt(origin.port))
    await Promise.all(
      lengthsOf(ANSWER).map(async (length) => {
        const client = await dial(t, front.port)
        client.write(`GET /${length} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
        await client.gone()
        const isWhole = client.text.includes('\r\n0\r\nSum: 1\r\n\r\n')
        const isError = /^HTTP\/1\.1 502 .*ARIES_E_BAD_GATEWAY/s.test(client.text)
        if (length < ANSWER.length) t.notOk(isWhole, `${length} bytes are not the whole`)
        t.ok(isWhole || isError || client.reset, `${length} bytes: an answer, an error or a cut`)
      }),
    )
    await isWell(front, () => dial(t, front.port))
  })
}

t.test('a head that comes a byte at a time has the time of a head, not of a byte', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port), { headTimeoutMs: 200 })
  const client = await dial(t, front.port)
  client.write('GET / HTTP/1.1\r\nHost: a\r\nX: ')
  const drip = setInterval(() => client.write('x'), 20)
  t.teardown(() => clearInterval(drip))
  await client.has('HTTP/1.1 408 ')
  t.match(client.text, /headTimeoutMs/)
  t.equal(origin.connections.length, 0)
})

t.test('a client that does not read its answer is cut, and the target let go', async (t) => {
  const piece = Buffer.alloc(1_000_000)
  const origin = await rawOrigin(t, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
    const more = (): void => {
      while (socket.write(piece)) {}
    }
    socket.on('drain', more)
    more()
  })
  const front = await startFrontTo(t, targetAt(origin.port), { bodyIdleTimeoutMs: 200 })
  const client = await dial(t, front.port)
  client.keep = false
  client.write(GET)
  await until('the answer has begun', () => client.bytes > 0)
  client.socket.pause()
  await until('it is cut', () => front.sockets[0]!.destroyed)
  await until('the target is let go', () => origin.connections[0]!.closed)
  t.match(front.engine.stats(), { connectionsOpen: 0, upstreamConnectionsOpen: 0 })
})

t.test('a thousand clients that come and go in every way leave nothing behind', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.write(OK))
  const front = await startFrontTo(t, targetAt(origin.port))
  const ways: readonly ((client: RawSocket) => unknown)[] = [
    (client) => client.socket.resetAndDestroy(),
    (client) => client.socket.end(GET),
    (client) => {
      client.write(GET)
      client.socket.resetAndDestroy()
    },
    (client) => client.socket.end(GET.slice(0, 20)),
    (client) => client.write('what?\r\n\r\n'),
  ]
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(t, front.port)))
    clients.forEach((client, i) => {
      ways[i % ways.length]!(client)
    })
    await Promise.all(clients.map((client) => client.gone()))
    for (const { socket } of clients) socket.destroy()
  }
  await isWell(front, () => dial(t, front.port))
  t.equal(front.engine.stats().connectionsTotal, 1_001)
})
