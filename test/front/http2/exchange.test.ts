/** Requests of HTTP/2 clients to targets that speak HTTP/1. */
import { connect } from 'node:http2'
import t from 'tap'
import { until } from '../../helpers/until.ts'
import { CLOSED_PORT, type RawSocket, rawOrigin, reply, targetAt } from '../http1/harness.ts'
import { ask, session, startH2, startH2To } from './harness.ts'

const whole = (connection: RawSocket) => connection.text.includes('\r\n\r\n')

t.test('a target hears one request of HTTP/1.1, the client one response', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    if (!whole(connection)) return
    connection.write(
      'HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: Yes\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nContent-Length: 5\r\n\r\nhello',
    )
  })
  const front = await startH2To(t, targetAt(origin.port), { front: 'f1' })
  const client = session(t, front.h2)
  const answer = await ask(client, {
    ':path': '/p?q=1',
    ':authority': 'shop.example:8080',
    cookie: ['a=1', 'b=2'],
    te: 'trailers',
    'x-own': 'yes',
    'x-forwarded-for': '6.6.6.6',
    'aries-worker': 'forged',
  })
  t.match(answer, { status: 200, body: 'hello', code: 0 })
  t.same(answer.headers['set-cookie'], ['a=1', 'b=2'])
  t.match(answer.headers, { 'x-own': 'Yes', 'content-length': '5', 'aries-node': 'f1' })
  for (const name of ['connection', 'x-hop', 'keep-alive', 'date']) {
    t.equal(answer.headers[name], undefined, name)
  }
  const asked = origin.connections[0]!.text
  t.ok(asked.startsWith('GET /p?q=1 HTTP/1.1\r\nHost: shop.example:8080\r\n'), asked)
  for (const line of [
    'Cookie: a=1; b=2',
    'x-own: yes',
    'Via: 2.0 aries',
    'X-Forwarded-Proto: http',
  ]) {
    t.ok(asked.includes(`\r\n${line}\r\n`), line)
  }
  t.notMatch(asked, /^(:|te:|aries-|transfer-encoding)/im)
  t.notMatch(asked, /6\.6\.6\.6/)
  t.match(front.records, [
    { method: 'GET', target: '/p?q=1', version: '2.0', status: 200, bytesOut: 5 },
  ])
})

t.test('bodies with and without a length, an empty one, HEAD', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    const { text } = connection
    const isWhole = /transfer-encoding/i.test(text) ? text.endsWith('0\r\n\r\n') : true
    if (!whole(connection) || !isWhole || (/gth: 3/i.test(text) && !text.endsWith('abc'))) return
    connection.text = ''
    const body = text.startsWith('HEAD') ? '' : text
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${body}`)
  })
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const open = await ask(client, { ':method': 'POST', ':path': '/' }, 'abc')
  t.match(open.body, /\r\nTransfer-Encoding: chunked\r\n[\s\S]*\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
  const sized = await ask(client, { ':method': 'POST', ':path': '/', 'content-length': 3 }, 'abc')
  t.match(sized.body, /\r\ncontent-length: 3\r\n[\s\S]*\r\n\r\nabc$/i)
  const empty = await ask(client, { ':method': 'POST', ':path': '/' })
  t.notMatch(empty.body, /transfer-encoding/i)
  const head = await ask(client, { ':method': 'HEAD', ':path': '/' })
  t.match(head, { status: 200, body: '', code: 0 })
  t.ok(Number(head.headers['content-length']) > 0)
  t.equal(origin.connections.length, 1, 'one after the other over one connection')
})

t.test('many streams at a time, each with its own connection to the target', async (t) => {
  const waiting: RawSocket[] = []
  const origin = await rawOrigin(t, (connection) => {
    waiting.push(connection)
    if (waiting.length < 20) return
    for (const one of waiting) {
      const path = /^GET (\S+)/.exec(one.text)![1]!
      one.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
    }
  })
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const paths = Array.from({ length: 20 }, (_, i) => `/${i}`)
  const answers = await Promise.all(paths.map((path) => ask(client, { ':path': path })))
  t.same(
    answers.map(({ body }) => body),
    paths,
  )
  t.match(front.engine.stats(), { connectionsOpen: 1, exchangesActive: 0, requests: 20 })
})

t.test('trailers both ways, 103 and 100 on the way', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    const { text } = connection
    if (!text.includes('Expect: 100-continue') && text.includes('xpect')) t.fail(text)
    if (text.endsWith('\r\n\r\n') && !text.endsWith('0\r\nsum: 7\r\n\r\n')) {
      connection.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n')
    } else if (text.endsWith('sum: 7\r\n\r\n')) {
      connection.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrade: A\r\n\r\n',
      )
    }
  })
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const stream = client.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ sum: '7', 'content-type': 'x' }))
  const seen: unknown[] = []
  stream.on('headers', (headers) => {
    seen.push(headers[':status'], headers['link'])
    stream.end('body')
  })
  stream.on('trailers', (headers) => seen.push(headers['grade']))
  stream.resume()
  await new Promise((done) => stream.once('close', done))
  t.same(seen, [103, '</a.css>', 'A'])
  t.match(origin.connections[0]!.text, /\r\n\r\n4\r\nbody\r\n0\r\nsum: 7\r\n\r\n$/)
})

t.test('events pass as they come, and a response without a length ends', async (t) => {
  const origin = await rawOrigin(t, (connection) => {
    connection.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
  })
  const front = await startH2To(t, targetAt(origin.port))
  const stream = session(t, front.h2).request({ ':path': '/' })
  let text = ''
  stream.on('data', (chunk) => {
    text += String(chunk)
  })
  await until('the first', () => text === 'data: 1\n\n')
  origin.connections[0]!.write('data: 2\n\n')
  await until('the second', () => text === 'data: 1\n\ndata: 2\n\n')
  origin.connections[0]!.socket.end()
  await new Promise((done) => stream.once('close', done))
  t.equal(stream.rstCode, 0)
})

t.test('a response that breaks off is a stream error, not an end', async (t) => {
  for (const framing of [
    'Content-Length: 10\r\n\r\n123',
    'Transfer-Encoding: chunked\r\n\r\n3\r\n123',
  ]) {
    const origin = await rawOrigin(t, (connection) => {
      connection.write(`HTTP/1.1 200 OK\r\n${framing}`)
      connection.socket.end()
    })
    const front = await startH2To(t, targetAt(origin.port))
    const client = session(t, front.h2)
    const answer = await ask(client, { ':path': '/' })
    t.match(answer, { status: 200, body: '123' })
    t.not(answer.code, 0, framing)
    t.match(front.records, [{ status: 0 }])
    t.equal(client.closed, false, 'other streams go on')
  }
})

t.test('errors of the engine are answers', async (t) => {
  const front = await startH2To(t, targetAt(CLOSED_PORT))
  const answer = await ask(session(t, front.h2), { ':path': '/' })
  t.match(answer, { status: 502, headers: { 'content-type': 'application/json' }, code: 0 })
  t.match(JSON.parse(answer.body), { error: { code: 'ARIES_E_BAD_GATEWAY' } })
})

t.test('a body too large is answered before it came, and its rest not wanted', async (t) => {
  const front = await startH2(t, () => reply('never'), { bodyBytesMax: 100_000 })
  const client = session(t, front.h2)
  const stream = client.request({ ':method': 'POST', ':path': '/', 'content-length': 1_000_000 })
  stream.write(Buffer.alloc(50_000))
  let status: number | undefined
  stream.on('response', (headers) => {
    status = headers[':status']
  })
  stream.resume()
  stream.on('error', () => {})
  await new Promise((done) => stream.once('close', done))
  t.equal(status, 413)
  t.equal(stream.rstCode, 0, 'NO_ERROR: the answer counts')
  t.match(await ask(client, { ':path': '/' }), { status: 200, body: 'never' })
})

t.test('a client that resets a stream is told to the target, others go on', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const stream = client.request({ ':path': '/slow' })
  stream.on('error', () => {})
  await until('it is there', () => origin.requests() === 1)
  stream.close(8)
  await origin.connections[0]!.gone()
  await until('the record', () => front.records.length === 1)
  t.match(front.records, [{ status: 499 }])
  t.equal(client.closed, false)
})

t.test('a slow reader holds its own target back, and no other stream', async (t) => {
  const big = 4_000_000
  const origin = await rawOrigin(t, (connection) => {
    const bytes = connection.text.startsWith('GET /big') ? big : 2
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`)
  })
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const slow = client.request({ ':path': '/big' })
  let bytes = 0
  await new Promise((done) => slow.once('response', done))
  t.match(await ask(client, { ':path': '/small' }), { body: 'xx' })
  t.ok(front.engine.stats().bytesOut < big / 2, 'most of it waits at the target')
  slow.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  await new Promise((done) => slow.once('close', done))
  t.equal(bytes, big)
})

t.test('a target that does not read holds the client back', async (t) => {
  const origin = await rawOrigin(t, (connection) => connection.socket.pause())
  const front = await startH2To(t, targetAt(origin.port), { replayBytesMax: 0 })
  const client = session(t, front.h2)
  const stream = client.request({ ':method': 'POST', ':path': '/' })
  stream.on('error', () => {})
  const piece = Buffer.alloc(100_000)
  let sent = 0
  const more = (): void => {
    if (sent >= 400) return
    sent++
    stream.write(piece, more)
  }
  more()
  let before = -1
  await until('nothing more is taken', async () => {
    const { bytesIn } = front.engine.stats()
    const same = bytesIn === before && bytesIn > 65_535
    before = bytesIn
    await new Promise((resolve) => setTimeout(resolve, 200))
    return same
  })
  t.ok(before < 30_000_000, String(before))
  stream.close(8)
})

t.test('closing sends GOAWAY and finishes what runs', async (t) => {
  const origin = await rawOrigin(t, () => {})
  const front = await startH2To(t, targetAt(origin.port))
  const client = session(t, front.h2)
  const idle = session(t, front.h2)
  await new Promise((done) => idle.once('remoteSettings', done))
  const answered = ask(client, { ':path': '/' })
  await until('it is there', () => origin.requests() === 1)
  const goaway = new Promise<number>((done) => client.once('goaway', done))
  const idleClosed = new Promise((done) => idle.once('close', done))
  const closed = front.engine.close(10_000)
  t.equal(await goaway, 0)
  await idleClosed
  origin.connections[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.match(await answered, { status: 200, body: 'ok' })
  await closed
  t.match(front.engine.stats(), { connectionsOpen: 0 })
})

t.test('HTTP/1 at a port of prior knowledge, byte by byte, and neither', async (t) => {
  const front = await startH2(t, () => reply('hello'))
  const { dial } = await import('../http1/harness.ts')
  const plain = await dial(t, front.h2)
  await plain.drip('PUT / HTTP/1.1\r\nHost: a\r\n\r\n')
  await plain.has('hello')
  const http2 = connect(`http://127.0.0.1:${front.h2}`)
  t.teardown(() => http2.destroy())
  t.match(await ask(http2, { ':path': '/' }), { body: 'hello' })
  const off = connect(`http://127.0.0.1:${front.port}`)
  off.on('error', () => {})
  await new Promise((done) => off.once('close', done))
})
