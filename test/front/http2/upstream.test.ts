/** Targets that speak HTTP/2; gRPC through and through. */
import { once } from 'node:events'
import {
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import t, { type Test } from 'tap'
import type { Target } from '../../../src/front/plan.ts'
import { until } from '../../helpers/until.ts'
import { ask as askPlain, CLOSED_PORT, rawOrigin, targetAt } from '../http1/harness.ts'
import { ask, session, startH2To } from './harness.ts'

type Handle = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void

async function origin(t: Test, handle: Handle, options: ServerOptions = {}) {
  const server = createServer(options)
  const seen = { sessions: 0, server: server as Http2Server, port: 0, last: undefined as unknown }
  server.on('session', (one) => {
    seen.sessions++
    seen.last = one
    one.on('error', () => {})
    t.teardown(() => one.destroy())
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    handle(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  seen.port = (server.address() as AddressInfo).port
  return seen
}

function h2c(port: number): Target {
  const connect = () => connectTcp({ host: '127.0.0.1', port, noDelay: true })
  return { ...targetAt(port), http2: connect }
}

/** One message as gRPC frames it. */
function message(text: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, Buffer.from(text)])
}

const GRPC = {
  ':method': 'POST',
  ':path': '/pkg.Service/Call',
  'content-type': 'application/grpc',
  te: 'trailers',
  'grpc-timeout': '5S',
}

t.test('requests of both versions share one connection to the target', async (t) => {
  const { port, ...rest } = await origin(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'x-own': 'yes', 'set-cookie': ['a=1', 'b=2'] })
    const { ':method': method, ':path': path, ':authority': host, cookie, via } = headers
    let body = ''
    stream.on('data', (chunk) => {
      body += String(chunk)
    })
    stream.on('end', () => stream.end(JSON.stringify({ method, path, host, cookie, via, body })))
  })
  const front = await startH2To(t, h2c(port))
  const plain = await askPlain(
    t,
    front.port,
    'POST /a?b HTTP/1.1\r\nHost: shop\r\nCookie: x=1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc',
  )
  t.match(plain, /^HTTP\/1\.1 200 OK\r\n[\s\S]*set-cookie: a=1\r\nset-cookie: b=2\r\n/)
  t.match(plain, /Transfer-Encoding: chunked/)
  t.match(
    plain,
    /\{"method":"POST","path":"\/a\?b","host":"shop","cookie":"x=1","via":"1\.1 aries","body":"abc"\}/,
  )
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) => ask(session(t, front.h2), { ':path': `/${i}` })),
  )
  t.same(
    answers.map(({ body }) => JSON.parse(body).path),
    Array.from({ length: 10 }, (_, i) => `/${i}`),
  )
  t.equal(front.engine.stats().upstreamConnectionsTotal, 1)
  t.ok(rest.server.listening)
})

t.test('gRPC: messages both ways at any time, trailers, deadline and end', async (t) => {
  const seen: Record<string, unknown>[] = []
  const { port } = await origin(t, (stream, headers) => {
    seen.push(headers)
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-more': 'y' }))
    stream.on('data', (chunk: Buffer) => stream.write(message(`got ${String(chunk.subarray(5))}`)))
    stream.on('end', () => stream.end())
  })
  const front = await startH2To(t, h2c(port))
  const stream = session(t, front.h2).request(GRPC)
  let text = ''
  let trailers: Record<string, unknown> = {}
  stream.on('data', (chunk) => {
    text += String(chunk)
  })
  stream.on('trailers', (all) => {
    trailers = all
  })
  for (const word of ['one', 'two', 'three']) {
    stream.write(message(word))
    await until(word, () => text.includes(`got ${word}`))
  }
  stream.end()
  await once(stream, 'close')
  t.match(trailers, { 'grpc-status': '0', 'x-more': 'y' })
  t.equal(stream.rstCode, 0)
  t.match(seen, [{ te: 'trailers', 'grpc-timeout': '5S', 'content-type': 'application/grpc' }])
})

t.test('gRPC: an error without a body stays one head; a call that is cancelled is', async (t) => {
  const codes: (number | undefined)[] = []
  const { port } = await origin(t, (stream, headers) => {
    if (headers[':path'] === '/slow') stream.on('close', () => codes.push(stream.rstCode))
    else {
      const answer = { 'content-type': 'application/grpc', 'grpc-status': '5' }
      stream.respond(answer, { endStream: true })
    }
  })
  const front = await startH2To(t, h2c(port))
  const client = session(t, front.h2)
  const failed = client.request(GRPC)
  failed.end(message('x'))
  const [headers, flags] = (await once(failed, 'response')) as [Record<string, unknown>, number]
  t.equal(headers['grpc-status'], '5')
  t.equal(flags & 1, 1, 'END_STREAM')
  failed.resume()
  await once(failed, 'close')
  const slow = client.request({ ...GRPC, ':path': '/slow' })
  slow.on('error', () => {})
  slow.write(message('x'))
  await until('it is there', () => front.engine.stats().exchangesActive === 1)
  await until('sent', () => front.engine.stats().attempts === 2)
  slow.close(8)
  await until('the target hears it', () => codes.length === 1)
  t.equal(codes[0], 8)
  t.equal(front.engine.stats().upstreamConnectionsOpen, 1, 'the connection stays')
})

t.test('no more streams than the target takes; others wait or get a connection', async (t) => {
  let now = 0
  let most = 0
  const made = await origin(
    t,
    (stream) => {
      most = Math.max(most, ++now)
      setTimeout(() => {
        now--
        stream.respond()
        stream.end('ok')
      }, 20)
    },
    { settings: { maxConcurrentStreams: 2 } },
  )
  const front = await startH2To(t, { ...h2c(made.port), connectionsMax: 2 })
  const client = session(t, front.h2)
  const answers = await Promise.all(Array.from({ length: 12 }, () => ask(client, { ':path': '/' })))
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  t.ok(made.sessions <= 2, String(made.sessions))
  t.ok(most <= 4, String(most))
})

t.test('what a target did not begin with is sent again, whatever its method', async (t) => {
  let count = 0
  const made = await origin(t, (stream) => {
    count++
    if (count === 1) stream.close(7)
    else {
      stream.respond()
      stream.end(`call ${count}`)
    }
  })
  const front = await startH2To(t, h2c(made.port))
  const client = session(t, front.h2)
  const post = { ':method': 'POST', ':path': '/' }
  t.match(await ask(client, post, 'x'), { status: 200, body: 'call 2' }, 'REFUSED_STREAM')
  // GOAWAY between two requests, again and again.
  for (let i = 0; i < 5; i++) {
    ;(made.last as { close(): void }).close()
    t.match(await ask(client, post, 'x'), { status: 200 })
  }
})

t.test('a target that fails or breaks off is an error, never an end', async (t) => {
  const { port } = await origin(t, (stream, headers) => {
    if (headers[':path'] === '/early') {
      stream.close(2)
      return
    }
    stream.respond()
    // A reset by node:http2 would have an end before it.
    stream.write('half', () => stream.session?.destroy(new Error('gone')))
  })
  const front = await startH2To(t, h2c(port))
  const client = session(t, front.h2)
  t.match(await ask(client, { ':method': 'POST', ':path': '/early' }, 'x'), { status: 502 })
  const half = await ask(client, { ':path': '/half' })
  t.match(half, { status: 200, body: 'half' })
  t.not(half.code, 0)
  const plain = await askPlain(t, front.port, 'GET /half HTTP/1.1\r\nHost: a\r\n\r\n')
  t.notMatch(plain, /\r\n0\r\n\r\n/)

  const one = await rawOrigin(t, (connection) => {
    connection.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    connection.socket.end()
  })
  for (const target of [h2c(one.port), h2c(CLOSED_PORT)]) {
    const other = await startH2To(t, target)
    t.match(await ask(session(t, other.h2), { ':path': '/' }), { status: 502 })
  }
})

t.test('a target that answers nothing costs its time limit, and its connection', async (t) => {
  const made = await origin(t, () => {})
  const front = await startH2To(t, h2c(made.port), { responseTimeoutMs: 300 })
  t.match(await ask(session(t, front.h2), { ':path': '/' }), { status: 504 })
  t.match(front.engine.stats(), { exchangesActive: 0, upstreamConnectionsOpen: 1 })
})
