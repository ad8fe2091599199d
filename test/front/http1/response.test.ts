import t from 'tap'
import { until } from '../../helpers/until.ts'
import { ask, dial, type RawSocket, rawOrigin, startFrontTo, targetAt } from './harness.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** Answers that are not strict HTTP, or could be read in two ways. */
const BAD: readonly (readonly [string, string])[] = [
  ['not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['no status', 'HTTP/1.1 OK\r\n\r\n'],
  ['two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['status 600', 'HTTP/1.1 600 X\r\n\r\n'],
  ['status 099', 'HTTP/1.1 099 X\r\n\r\n'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['space before colon', 'HTTP/1.1 200 OK\r\nX : y\r\n\r\n'],
  ['obs-fold', 'HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n'],
  ['bare CR', 'HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n'],
  ['NUL', 'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n'],
  [
    'CL and TE',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two CL', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc'],
  ['bad CL', 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc'],
  ['unknown TE', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'],
  ['TE in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  [
    '101 without being asked',
    'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  ],
  ['endless 1xx', 'HTTP/1.1 103 Early\r\n\r\n'.repeat(17)],
  ['endless head', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(300_000)}`],
  ['too many headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(101)}\r\n`],
]

t.test('an answer that is not strict HTTP is a 502', async (t) => {
  for (const [name, answer] of BAD) {
    const origin = await rawOrigin(t, (connection) => connection.write(answer))
    const front = await startFrontTo(t, targetAt(origin.port))
    const client = await dial(t, front.port)
    client.write(GET)
    await client.has('ARIES_E_BAD_GATEWAY')
    t.match(client.text, /HTTP\/1\.1 502 /, name)
    t.equal(origin.requests(), 1, `${name}: asked once`)
    client.write(GET)
    await until('second answer', () => client.text.split('HTTP/1.1 502').length === 3)
    t.equal(origin.connections.length, 2, `${name}: its connection is not used again`)
    client.socket.destroy()
  }
})

/** What the client gets, byte for byte, with the connection kept. */
const KEPT: readonly (readonly [string, string, string, string])[] = [
  [
    'length',
    GET,
    'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX: y\r\n\r\nok',
    'HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 2\r\n\r\nok',
  ],
  [
    'no reason',
    GET,
    'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n',
  ],
  [
    'chunks',
    GET,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nSum: 1\r\nSet-Cookie: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSum: 1\r\n\r\n',
  ],
  [
    '204',
    GET,
    'HTTP/1.1 204 No\r\nX: y\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 204 No\r\nX: y\r\n\r\n',
  ],
  [
    '304 keeps its length',
    GET,
    'HTTP/1.1 304 NM\r\nContent-Length: 9\r\n\r\n',
    'HTTP/1.1 304 NM\r\nContent-Length: 9\r\n\r\n',
  ],
  [
    'HEAD keeps its length',
    'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
  ],
  [
    'HEAD of chunks',
    'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\r\n',
  ],
  [
    'hop-by-hop lines',
    GET,
    'HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nX: y\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n',
  ],
  [
    'insiders’ lines',
    GET,
    'HTTP/1.1 200 OK\r\nAries-Owner: n1;h:1;2\r\naries-fault: x\r\naries-node: n1\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\naries-node: n1\r\nContent-Length: 0\r\n\r\n',
  ],
  [
    '1xx and then',
    GET,
    'HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  ],
  [
    'a 100 that nobody waits for',
    GET,
    'HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  ],
  [
    'HTTP/1.0 target with a length',
    GET,
    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ],
  [
    'HTTP/1.0 client that keeps',
    'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok',
  ],
]

t.test('answers are edited by bytes; the connection stays', async (t) => {
  for (const [name, request, answer, wanted] of KEPT) {
    for (const drip of [false, true]) {
      const origin = await rawOrigin(t, (connection) => {
        if (drip) void connection.drip(answer)
        else connection.write(answer)
      })
      const front = await startFrontTo(t, targetAt(origin.port))
      const client = await dial(t, front.port)
      for (const round of [1, 2]) {
        client.write(request)
        await until(
          `${name}: ${client.text}`,
          () => front.records.length === round && client.text.length >= round * wanted.length,
        )
      }
      if (drip && wanted.includes('chunked\r\n\r\n'))
        t.match(client.text, /\r\nSum: 1\r\n\r\n$/, name)
      else t.equal(client.text, wanted + wanted, name)
      client.socket.destroy()
    }
  }
})

/** What closes the client's connection: there is no other sign of the end. */
const CLOSED: readonly (readonly [string, string, string, string])[] = [
  [
    'until close',
    GET,
    'HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of it',
    'HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nall of it',
  ],
  [
    'chunks to HTTP/1.0',
    'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n',
    'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok!',
  ],
  [
    '1xx to HTTP/1.0',
    'GET / HTTP/1.0\r\n\r\n',
    'HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
  ],
  [
    'the client’s wish',
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
  ],
]

t.test('answers that end with the connection', async (t) => {
  for (const [name, request, answer, wanted] of CLOSED) {
    const origin = await rawOrigin(t, (connection) => {
      connection.write(answer)
      if (!answer.includes('Length') && !answer.includes('chunked')) connection.socket.end()
    })
    const front = await startFrontTo(t, targetAt(origin.port))
    t.equal(await ask(t, front.port, request), wanted, name)
  }
})

/** Answers that break off, by what ends them. */
const BROKEN: readonly (readonly [string, string])[] = [
  ['length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ['bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n'],
  ['until close, reset', 'HTTP/1.1 200 OK\r\n\r\nhalf'],
]

t.test('an answer that breaks off is cut, never ended', async (t) => {
  for (const [name, answer] of BROKEN) {
    const origin = await rawOrigin(t, (connection) => connection.write(answer))
    const front = await startFrontTo(t, targetAt(origin.port))
    const client = await dial(t, front.port)
    client.write(GET)
    if (name !== 'bad chunk') {
      await client.has('half')
      const end = (connection: RawSocket): unknown =>
        name.includes('reset') ? connection.socket.resetAndDestroy() : connection.socket.end()
      end(origin.connections[0]!)
    }
    await until('close', () => client.closed)
    t.ok(client.reset, `${name}: seen as a reset`)
    t.notMatch(client.text, /\r\n0\r\n/, name)
    t.match(front.records, [{ status: 0 }], name)
  }
})

t.test('a target that stops in the middle is cut after bodyIdleTimeoutMs', async (t) => {
  const origin = await rawOrigin(t, (connection) =>
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  )
  const front = await startFrontTo(t, targetAt(origin.port), { bodyIdleTimeoutMs: 100 })
  const client = await dial(t, front.port)
  client.write(GET)
  await until('close', () => client.closed)
  t.ok(client.reset)
  await origin.connections[0]!.gone()
})

t.test('a pooled connection that gets bytes while idle is thrown away', async (t) => {
  const origin = await rawOrigin(t, (connection) =>
    connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  )
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write(GET)
  await client.has('ok')
  origin.connections[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil')
  // Well before its idle time is over.
  await until('close', () => origin.connections[0]!.ended, 2_000)
  client.write(GET)
  await until('second answer', () => front.records.length === 2)
  t.notMatch(client.text, /evil/)
  t.equal(origin.connections.length, 2)
})

t.test('bytes behind an answer end its connection', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
  const origin = await rawOrigin(t, (connection) => connection.write(`${answer}evil`))
  const front = await startFrontTo(t, targetAt(origin.port))
  const client = await dial(t, front.port)
  client.write(GET + GET)
  await until('both answers', () => client.text.split('ok').length > 2)
  t.equal(client.text, answer.repeat(2))
  t.equal(front.records.length, 2)
  t.equal(origin.connections.length, 2)
})
