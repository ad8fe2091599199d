import type { AriesError } from '../../errors.ts'
import type { Mirror, Target } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import type { ParsedResponse } from './response-head.ts'
import type { UpstreamLink, UpstreamUser } from './upstream-link.ts'
import type { PoolWaiter } from './upstream-pools.ts'

/** A request as it was sent to its own target. */
export interface Mirrored {
  readonly head: ClientRequest
  /** The lines about the client. */
  readonly forwarded: string
  readonly body: readonly Buffer[]
  readonly trailers: string
}

/** Sends a copy of a whole request where `mirror` says, once; its answer is dropped. */
export function sendMirrored(engine: EngineContext, request: Mirrored, mirror: Mirror): void {
  const target = mirror.begin()
  if (target !== undefined) new MirrorAttempt(engine, request, mirror, target).begin()
}

class MirrorAttempt implements UpstreamUser, PoolWaiter {
  readonly #engine: EngineContext
  readonly #request: Mirrored
  readonly #mirror: Mirror
  readonly #target: Target
  readonly #bytes: number
  #link: UpstreamLink | undefined
  #isOver = false

  constructor(engine: EngineContext, request: Mirrored, mirror: Mirror, target: Target) {
    this.#engine = engine
    this.#request = request
    this.#mirror = mirror
    this.#target = target
    this.#bytes = request.body.reduce((sum, piece) => sum + piece.length, 0)
  }

  begin(): void {
    this.#engine.keptBytes += this.#bytes
    this.#engine.pools.acquire(this.#target, this, false)
  }

  connected(link: UpstreamLink): void {
    const { head, forwarded, body, trailers } = this.#request
    this.#link = link
    link.assign(this)
    try {
      link.begin(head, this.#target, forwarded, false)
    } catch {
      link.abandon()
      this.#end(false)
      return
    }
    for (const piece of body) link.piece(piece)
    link.end(trailers)
    const { deadlines, times } = this.#engine
    link.deadlineMs = deadlines.after(times.responseTimeoutMs)
    link.flush()
  }

  connectFailed(_error: AriesError): void {
    this.#end(false)
  }

  upstreamHead(response: ParsedResponse): 'none' | 'body' {
    if (response.interim) return 'none'
    const bodiless = this.#request.head.method === 'HEAD' || response.bodiless
    this.#link!.discard(this.#engine.times.bodyIdleTimeoutMs)
    this.#end(true)
    return bodiless ? 'none' : 'body'
  }

  upstreamFailed(_error: AriesError, _spoke: boolean): void {
    this.#end(false)
  }

  upstreamExpired(): void {
    this.#link!.abandon()
    this.#end(false)
  }

  upstreamDown(): void {
    this.upstreamExpired()
  }

  // Nothing of the answer is waited for.
  upstreamData(): void {}
  upstreamEnd(): void {}
  upstreamFlush(): void {}
  upstreamDrain(): void {}

  #end(answered: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#engine.keptBytes -= this.#bytes
    this.#mirror.ended(answered)
  }
}
