import t from 'tap'
import { until } from '../../helpers/until.ts'
import {
  ask,
  dial,
  FORWARDERS,
  forwardTo,
  type RawSocket,
  rawOrigin,
  startFrontTo,
  targetAt,
} from './harness.ts'

const POST = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

/** Chunked bodies that two parsers could read differently. */
const BAD_CHUNKS: readonly (readonly [string, string])[] = [
  ['0x size', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['plus', '+3\r\nabc\r\n0\r\n\r\n'],
  ['minus', '-3\r\nabc\r\n0\r\n\r\n'],
  ['empty size', '\r\nabc\r\n0\r\n\r\n'],
  ['not hex', 'g\r\nabc\r\n0\r\n\r\n'],
  ['leading space', ' 3\r\nabc\r\n0\r\n\r\n'],
  ['space behind the size', '3 \r\nabc\r\n0\r\n\r\n'],
  ['space before an extension', '3 ;x\r\nabc\r\n0\r\n\r\n'],
  ['huge size', 'ffffffffffffffff\r\nabc'],
  ['endless zeros', `${'0'.repeat(20)}3\r\nabc\r\n0\r\n\r\n`],
  ['bare LF behind the size', '3\nabc\r\n0\r\n\r\n'],
  ['bare CR behind the size', '3\rabc\r\n0\r\n\r\n'],
  ['bare LF behind the data', '3\r\nabc\n0\r\n\r\n'],
  ['data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
  ['bare CR in an extension', '3;x\ry\r\nabc\r\n0\r\n\r\n'],
  ['LF in an extension', '3;x\ny\r\nabc\r\n0\r\n\r\n'],
  ['NUL in an extension', '3;x\0\r\nabc\r\n0\r\n\r\n'],
  ['long extensions', `3;${'x'.repeat(5_000)}\r\nabc\r\n0\r\n\r\n`],
  ['bare LF at the end', '3\r\nabc\r\n0\n\n'],
  ['bad trailer', '3\r\nabc\r\n0\r\nX Y: z\r\n\r\n'],
  ['bare LF behind a trailer', '3\r\nabc\r\n0\r\nX: z\n\r\n'],
  ['folded trailer', '3\r\nabc\r\n0\r\nX: z\r\n y\r\n\r\n'],
  ['large trailer', `3\r\nabc\r\n0\r\nX: ${'y'.repeat(9_000)}\r\n\r\n`],
]

t.test('bad chunks: 400, closed, and the target never sees an end of the body', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startFrontTo(t, targetAt(origin.port))
  for (const [name, body] of BAD_CHUNKS) {
    const answer = await ask(t, front.port, POST + body)
    t.match(answer, /^HTTP\/1\.1 400 /, name)
    t.match(answer, /\r\nConnection: close\r\n/, name)
  }
  for (const connection of origin.connections) {
    await connection.gone()
    t.notMatch(connection.text, /\r\n0\r\n/)
  }
})

/** Answers each complete request with what the body was. */
function echo(connection: RawSocket): void {
  if (!connection.text.endsWith('\r\n0\r\n\r\n') && !connection.text.includes('Sum: ')) return
  const body = connection.text.slice(connection.text.indexOf('\r\n\r\n') + 4)
  connection.text = ''
  connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
}

/** Data and trailer section of a chunked body. */
function dechunk(text: string): [string, string] {
  let data = ''
  for (;;) {
    const line = text.indexOf('\r\n')
    const size = Number.parseInt(text.slice(0, line), 16)
    if (size === 0) return [data, text.slice(line + 2)]
    data += text.slice(line + 2, line + 2 + size)
    text = text.slice(line + 2 + size + 2)
  }
}

t.test('chunks, extensions and trailers, byte by byte', async (t) => {
  const origin = await rawOrigin(t, echo)
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  const body =
    '5;ext="x"\r\nhello\r\n00b\r\n\r\n and more\r\n0\r\nSum: 1\r\nContent-Length: 9\r\nAries-Owner: x\r\nTrailer: y\r\n\r\n'
  client.write(POST + body)
  await client.has('Sum: 1\r\n\r\n')
  t.ok(
    client.text.endsWith('\r\n\r\n5\r\nhello\r\nb\r\n\r\n and more\r\n0\r\nSum: 1\r\n\r\n'),
    'canonical chunks, no extension, only a harmless trailer',
  )
  client.text = ''
  await client.drip(POST + body)
  await client.has('Sum: 1\r\n\r\n')
  const [data, trailers] = dechunk(client.text.slice(client.text.indexOf('\r\n\r\n') + 4))
  t.equal(data, 'hello\r\n and more', 'the same bytes in other chunks')
  t.equal(trailers, 'Sum: 1\r\n\r\n')
})

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: a big body up, a big body down`, async (t) => {
    const bytes = 8_000_000
    const origin = await rawOrigin(t, (connection) => {
      // To search the text for each piece that comes takes seconds of CPU.
      if (connection.bytes < bytes) return
      const head = connection.text.indexOf('\r\n\r\n')
      if (connection.text.length - head - 4 < bytes) return
      connection.text = ''
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`)
      connection.write(Buffer.alloc(bytes, 'y'))
    })
    const front = await startFrontTo(t, forwardTo(t, forwarder, origin.port))
    const client = await dial(t, front.port)
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`)
    client.write(Buffer.alloc(bytes, 'x'))
    await until('whole answer', () => client.bytes > bytes)
    const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
    t.equal(body.length, bytes)
    t.equal(body, 'y'.repeat(bytes))
    await until('record', () => front.records.length === 1)
    t.match(front.records[0], { status: 200, bytesIn: bytes, bytesOut: bytes })
  })

  t.test(`${forwarder}: a client that does not read holds the target back`, async (t) => {
    const piece = Buffer.alloc(65_536, 'y')
    let written = 0
    const total = 64 * 1024 * 1024
    const origin = await rawOrigin(t, (connection) => {
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
      const more = (): void => {
        while (written < total) {
          written += piece.length
          if (!connection.socket.write(piece)) return
        }
      }
      connection.socket.on('drain', more)
      more()
    })
    const front = await startFrontTo(t, forwardTo(t, forwarder, origin.port))
    const client = await dial(t, front.port)
    client.keep = false
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until('begin of the answer', () => client.bytes > 0)
    client.socket.pause()
    let before = -1
    await until('the origin to stop', () => {
      const stopped = written === before
      before = written
      return stopped && front.sockets[0]!.writableNeedDrain
    })
    t.ok(written < total / 2, `${written} bytes are under way`)
    t.ok(front.sockets[0]!.writableLength < 1_000_000, 'little of it in the engine')
    client.socket.resume()
    await until('the rest', () => client.bytes > total)
  })

  t.test(`${forwarder}: a target that does not read holds the client back`, async (t) => {
    const total = 64 * 1024 * 1024
    const origin = await rawOrigin(t, (connection) => {
      connection.keep = false
      if (connection.bytes < total) return
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const front = await startFrontTo(t, forwardTo(t, forwarder, origin.port))
    const client = await dial(t, front.port)
    client.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`)
    await until('a connection', () => origin.connections.length > 0)
    origin.connections[0]!.socket.pause()
    const piece = Buffer.alloc(65_536, 'x')
    let written = 0
    const more = (): void => {
      while (written < total) {
        written += piece.length
        if (!client.socket.write(piece)) return
      }
    }
    client.socket.on('drain', more)
    more()
    let before = -1
    await until('the client to stop', () => {
      const stopped = written === before
      before = written
      return stopped && front.sockets[0]!.isPaused()
    })
    t.ok(written < total / 2, `${written} bytes are under way`)
    t.ok(front.engine.stats().bytesIn < total / 2)
    origin.connections[0]!.socket.resume()
    await until('the answer', () => client.text.endsWith('ok'))
  })
}

t.test('a chunked body past bodyBytesMax: 413, and the target is left alone', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startFrontTo(t, targetAt(origin.port), { bodyBytesMax: 10 })
  const answer = await ask(t, front.port, `${POST}6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n`)
  t.match(answer, /^HTTP\/1\.1 413 /)
  for (const connection of origin.connections) await connection.gone()
})

t.test('Expect: 100-continue is the target’s to answer', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (connection.text.endsWith('\r\n\r\n')) connection.write('HTTP/1.1 100 Continue\r\n\r\n')
    else connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n')
  await client.has('HTTP/1.1 100 Continue\r\n\r\n')
  t.match(origin.connections[0]!.text, /\r\nExpect: 100-continue\r\n/)
  client.write('abc')
  await client.has('\r\n\r\nok')
  t.notMatch(client.text, /Connection: close/)
})

t.test('a refused expectation: the body is never read', async (t) => {
  const origin = await rawOrigin(t, (connection) =>
    connection.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n'),
  )
  const front = await startFrontTo(t, targetAt(origin.port))
  const answer = await ask(
    t,
    front.port,
    'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 417 .*\r\nConnection: close\r\n/s)
})

t.test(
  'an answer before the body is all here closes behind itself, the answer arrives',
  async (t) => {
    const origin = await rawOrigin(t, (connection) =>
      connection.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!'),
    )
    const front = await startFrontTo(t, targetAt(origin.port))
    const client = await dial(t, front.port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n')
    client.write(Buffer.alloc(3_000_000))
    await client.has('no!')
    await client.gone()
    t.match(client.text, /Connection: close/)
    t.equal(client.reset, false)
  },
)
