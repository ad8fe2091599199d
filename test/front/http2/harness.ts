/** An engine behind a port of HTTP/2 with prior knowledge, and a client of node:http2. */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import type { Test } from 'tap'
import type { Http1EngineInit } from '../../../src/front/http1/engine.ts'
import type { Planner, Target } from '../../../src/front/plan.ts'
import { type Front, ListPicker, startFront } from '../http1/harness.ts'

/** As `startFront`; `h2`: a port that takes HTTP/2 beside HTTP/1. */
export async function startH2(
  t: Test,
  plan: Planner['plan'],
  init: Partial<Http1EngineInit> = {},
): Promise<Front & { h2: number }> {
  const front = await startFront(t, plan, init)
  const server = createServer((socket) => front.engine.accept(socket, true))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { ...front, h2: (server.address() as AddressInfo).port }
}

export function startH2To(t: Test, target: Target, init: Partial<Http1EngineInit> = {}) {
  return startH2(t, () => ({ kind: 'forward', picker: new ListPicker([target]) }), init)
}

export function session(t: Test, port: number): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${port}`, { strictSingleValueFields: false } as object)
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  return client
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly interims: IncomingHttpHeaders[]
  readonly body: string
  readonly trailers: IncomingHttpHeaders
  /** Why the stream was closed. */
  readonly code: number
}

/** One request, and all of its response. */
export async function ask(
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Answer> {
  const stream = client.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  let got: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  let text = ''
  const interims: IncomingHttpHeaders[] = []
  stream.on('response', (all) => {
    got = all
  })
  stream.on('headers', (all) => interims.push(all))
  stream.on('trailers', (all) => {
    trailers = all
  })
  stream.on('data', (chunk) => {
    text += String(chunk)
  })
  stream.on('error', () => {})
  await new Promise((done) => stream.once('close', done))
  return {
    status: Number(got[':status']),
    headers: got,
    interims,
    body: text,
    trailers,
    code: stream.rstCode ?? 0,
  }
}
