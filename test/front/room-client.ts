/** A front with rooms behind it, the hosts of these, and clients with a WebSocket. */
import { WebSocket } from 'ws'
import type { OwnerAddress } from '../../src/wire.ts'
import { type StartedFront, startFront } from './start.ts'
import {
  node,
  type StubHost,
  StubMembership,
  serveData,
  type Teardown,
  testConfig,
} from './stubs.ts'

const ROUTES = [{ path: '/room/:key', worker: '/w/room.ts' }]

interface Answering {
  owner: OwnerAddress
  readonly suspects: unknown[]
}

/** A front whose nodes answer what `answering` says at the moment. */
export async function front(
  t: Teardown,
  owner: OwnerAddress,
  parts: Record<string, unknown> = {},
): Promise<StartedFront & { answering: Answering; membership: StubMembership }> {
  const answering: Answering = { owner, suspects: [] }
  const data = await serveData(t, ({ suspect }) => {
    if (suspect) answering.suspects.push(suspect)
    return answering.owner
  })
  const membership = new StubMembership(['n1', 'n2'].map((id) => node(id, { dataPort: data.port })))
  const started = await startFront(t, membership, testConfig({ routes: ROUTES, ...parts }))
  return { ...started, answering, membership }
}

/** A client that keeps what it got. */
export class Client {
  readonly ws: WebSocket
  readonly got: string[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  readonly opened: Promise<void>

  constructor(t: Teardown, port: number, path = '/room/lobby', options = {}) {
    this.ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
    this.ws.on('message', (data: Buffer, binary: boolean) => {
      this.got.push(binary ? `binary ${data.toString('hex')}` : data.toString())
    })
    this.closed = new Promise((done) => {
      this.ws.on('close', (code: number, reason: Buffer) => done({ code, reason: String(reason) }))
    })
    this.opened = new Promise((done, fail) => this.ws.on('open', done).on('error', fail))
    this.opened.catch(() => {})
    t.teardown(() => this.ws.terminate())
  }
}

/** Accepts every session, acknowledges every message, at once. */
export function accepting(host: StubHost): StubHost {
  host.onFrame = (frame) => {
    if (frame.type === 'open') host.send({ type: 'accept', sid: frame.sid, protocol: '' })
    if (frame.type === 'message') host.send({ type: 'ack', sid: frame.sid, n: frame.n })
  }
  return host
}

/** Status and body of a refused WebSocket. */
export function refusal(
  port: number,
  path = '/room/lobby',
): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    ws.on('open', () => fail(new Error('opened')))
    ws.on('error', () => {})
    ws.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => done({ status: response.statusCode ?? 0, body }))
    })
  })
}
