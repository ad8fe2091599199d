/**
 * What becomes of one request, written down while it is served: for `aries explain` and for spans. Few
 * requests have a recording; the others pay a look at a field that is empty.
 */
import { randomBytes } from 'node:crypto'
import type { ClientRequest } from './http1/client-request.ts'
import type { ExchangeRecord } from './http1/stats.ts'
import type { RouteKind } from './metrics.ts'
import type { Target } from './plan.ts'
import type { AttemptDetail, AttemptWhy, RequestDetail, TargetCost } from './request-detail.ts'

/** How an exchange ended. */
type RecordedEnd = Pick<ExchangeRecord, 'status' | 'error' | 'bytesIn' | 'bytesOut' | 'ms'>

export interface RecordingInit {
  readonly front: string
  readonly shard: number
  readonly id: string
  /** Whether costs are to be written down. */
  readonly explains: boolean
  /** Whether it becomes spans. */
  readonly exports: boolean
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export class Recording {
  readonly explains: boolean
  readonly exports: boolean
  readonly detail: Writable<RequestDetail>
  readonly #head: ClientRequest
  readonly #ended: (recording: Recording) => void
  readonly #startedMs = performance.now()
  readonly #attempts: AttemptRecording[] = []
  #candidates: readonly TargetCost[] | undefined
  #by: AttemptDetail['by']
  #waitsSinceMs: number | undefined
  #isHedge = false

  constructor(head: ClientRequest, init: RecordingInit, ended: (recording: Recording) => void) {
    const { front, shard, id, explains, exports } = init
    this.explains = explains
    this.exports = exports
    this.#head = head
    this.#ended = ended
    this.detail = {
      id,
      front,
      shard,
      atMs: Date.now(),
      method: head.method,
      path: head.path,
      http: head.version,
      scheme: head.scheme,
      remote: head.remoteAddress,
      status: 0,
      bytesIn: 0,
      bytesOut: 0,
      ms: 0,
      attempts: [],
      ...(head.traceId !== undefined && { traceId: head.traceId }),
      ...(exports && { spanId: newSpanId() }),
      ...(exports && head.parentId !== undefined && { parentId: head.parentId }),
    }
  }

  /** Milliseconds since the request came. */
  get nowMs(): number {
    return performance.now() - this.#startedMs
  }

  matched(route: string, kind: RouteKind): void {
    this.detail.route = route
    this.detail.kind = kind
  }

  /** The choice of the next attempt. `by`: what decided it. */
  considered(candidates: readonly TargetCost[], by: AttemptDetail['by']): void {
    this.#candidates = candidates
    this.#by = by
  }

  /** Every target is full: it waits in line until the next attempt. */
  waits(): void {
    this.#waitsSinceMs = this.nowMs
  }

  /** The next attempt is a second one beside the first. */
  hedges(): void {
    this.#isHedge = true
  }

  attempt(target: Target): AttemptRecording {
    const why: AttemptWhy =
      this.#attempts.length === 0 ? 'first' : this.#isHedge ? 'hedge' : 'retry'
    const { nowMs } = this
    const attempt = new AttemptRecording(this, this.#head, {
      why,
      target: target.id,
      address: { host: target.socketPath ?? target.host, port: target.port },
      chosenMs: nowMs,
      ...(this.#by !== undefined && { by: this.#by }),
      ...(this.#candidates !== undefined && { candidates: this.#candidates }),
      ...(this.#waitsSinceMs !== undefined && { waitedMs: nowMs - this.#waitsSinceMs }),
      ...(this.exports && { spanId: newSpanId() }),
    })
    this.#attempts.push(attempt)
    this.#candidates = undefined
    this.#by = undefined
    this.#waitsSinceMs = undefined
    this.#isHedge = false
    return attempt
  }

  /** The exchange is over. */
  ended({ status, error, bytesIn, bytesOut, ms }: RecordedEnd): void {
    const { detail } = this
    detail.ms = ms
    detail.status = status
    if (error !== undefined) detail.error = error
    detail.bytesIn = bytesIn
    detail.bytesOut = bytesOut
    detail.attempts = this.#attempts.map((attempt) => attempt.closed(detail.ms))
    if (this.#candidates !== undefined) detail.unchosen = this.#candidates
    this.#ended(this)
  }
}

/** One attempt of a recorded request. */
export class AttemptRecording {
  readonly #recording: Recording
  readonly #head: ClientRequest
  readonly #detail: Writable<AttemptDetail>

  constructor(recording: Recording, head: ClientRequest, detail: AttemptDetail) {
    this.#recording = recording
    this.#head = head
    this.#detail = detail
  }

  /** It has a connection; the head is about to be written. What the target does is below its span. */
  connected(reused: boolean): void {
    this.#detail.connectedMs = this.#recording.nowMs
    this.#detail.reused = reused
    const { spanId } = this.#detail
    if (spanId === undefined) return
    const { fields, traceId } = this.#head
    fields.remove('traceparent')
    fields.add('traceparent', `00-${traceId}-${spanId}-01`)
  }

  sent(): void {
    this.#detail.sentMs = this.#recording.nowMs
  }

  answered(status: number): void {
    this.#detail.headMs = this.#recording.nowMs
    this.#detail.status = status
  }

  failed(failure: string): void {
    this.#detail.failure = failure
    this.ended()
  }

  /** The first of its ends. */
  ended(): void {
    this.#detail.endMs ??= this.#recording.nowMs
  }

  /** What is written of it when the request is over. */
  closed(ms: number): AttemptDetail {
    this.#detail.endMs ??= ms
    return this.#detail
  }
}

function newSpanId(): string {
  return randomBytes(8).toString('hex')
}
