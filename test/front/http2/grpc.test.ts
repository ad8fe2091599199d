/** The front's own answers to clients of gRPC, and the deadlines that they set. */
import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { AriesError } from '../../../src/errors.ts'
import { grpcHeaders, grpcTimeoutMs } from '../../../src/front/http2/grpc.ts'
import type { Target } from '../../../src/front/plan.ts'
import { replyError } from '../../../src/front/reply.ts'
import { CLOSED_PORT, targetAt } from '../http1/harness.ts'
import { ask, session, startH2, startH2To } from './harness.ts'

const GRPC = {
  ':method': 'POST',
  ':path': '/pkg.Service/Call',
  'content-type': 'application/grpc+proto',
  te: 'trailers',
}

function h2c(port: number): Target {
  const http2 = () => connect({ host: '127.0.0.1', port, noDelay: true })
  return { ...targetAt(port), http2 }
}

async function origin(t: Test, handle: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createServer()
  server.on('session', (one) => {
    one.on('error', () => {})
    t.teardown(() => one.destroy())
  })
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    handle(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('an error of the front is a head with a status of gRPC', async (t) => {
  const front = await startH2To(t, h2c(CLOSED_PORT))
  const client = session(t, front.h2)
  const answer = await ask(client, GRPC, 'x')
  t.equal(answer.status, 200)
  t.equal(answer.body, '')
  t.match(answer.headers, {
    'content-type': 'application/grpc',
    'grpc-status': '14',
    'grpc-message': /cannot be reached/,
  })
  t.equal(front.records[0]!.status, 502, 'what it would be over HTTP')
  const plain = await ask(client, { ...GRPC, 'content-type': 'text/plain' }, 'x')
  t.match([plain.status, plain.headers['grpc-status']], [502, undefined])
})

t.test('a refusal of the planner too; a reply that is no error stays one', async (t) => {
  const front = await startH2(t, ({ path }) =>
    path === '/plain'
      ? { kind: 'reply', status: 403, headers: [], body: 'no' }
      : replyError(new AriesError('ARIES_E_RATE_LIMITED', 'zu schnell: 100 % mehr, ü'), [
          ['retry-after', '7'],
        ]),
  )
  const client = session(t, front.h2)
  t.match((await ask(client, GRPC, 'x')).headers, {
    ':status': 200,
    'grpc-status': '8',
    'grpc-message': 'zu schnell: 100 %25 mehr, %C3%BC',
    'retry-after': '7',
  })
  t.match(await ask(client, { ...GRPC, ':path': '/plain' }, 'x'), { status: 403, body: 'no' })
})

t.test('a deadline that passes, and an outcome that nobody knows', async (t) => {
  let isBroken = false
  const port = await origin(t, (stream) => {
    stream.resume()
    if (isBroken) stream.on('end', () => stream.close(2))
  })
  const front = await startH2To(t, h2c(port))
  const client = session(t, front.h2)
  const late = await ask(client, { ...GRPC, 'grpc-timeout': '60m' }, 'x')
  t.match(late.headers, { 'grpc-status': '4', 'grpc-message': /within its grpc-timeout \(60 ms\)/ })
  isBroken = true
  const broken = await ask(client, { ...GRPC, 'grpc-timeout': '60S' }, 'x')
  t.match(broken.headers, { 'grpc-status': '2', 'grpc-message': /may have been applied/ })
})

t.test('timeouts and statuses', async (t) => {
  t.same(
    ['1H', '2M', '3S', '4m', '5u', '6n', '123456789S', '1', 'S', '-1S', undefined].map(
      grpcTimeoutMs,
    ),
    [3_600_000, 120_000, 3_000, 4, 0.005, 0.000006, ...Array(5).fill(undefined)],
  )
  const statuses = (['ARIES_E_NO_ROUTE', 'ARIES_E_INTERNAL', 'ARIES_E_BAD_REQUEST'] as const).map(
    (code) => grpcHeaders(new AriesError(code, 'a\nb'))[5],
  )
  t.same(statuses, ['12', '13', '3'])
  t.equal(grpcHeaders(new AriesError('ARIES_E_INTERNAL', 'a\nb'))[7], 'a%0Ab')
})
