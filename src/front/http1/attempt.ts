import { AriesError, toAriesError } from '../../errors.ts'
import { NEVER } from '../../http1/deadlines.ts'
import type { AttemptFailure, AttemptOutcome, Refusal, Target } from '../plan.ts'
import type { AttemptRecording } from '../recording.ts'
import { type ForwardTimes, limitText } from '../route-terms.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import type { ExchangeClient } from './exchange-client.ts'
import { DOWN_GRACE_MS, INTERIM_MAX } from './limits.ts'
import type { ParsedResponse } from './response-head.ts'
import type { UpstreamLink, UpstreamUser } from './upstream-link.ts'
import type { PoolWaiter } from './upstream-pools.ts'

/**
 * How an attempt failed: the next may be made (`again`), none may (`final`), a kept connection had
 * closed (`stale`), or the target was lost whatever the request did (`blameless`).
 */
export type AttemptEnd = 'again' | 'final' | 'stale' | 'blameless'

/** What an attempt needs of its exchange. */
export interface AttemptExchange {
  readonly engine: EngineContext
  readonly client: ExchangeClient
  readonly head: ClientRequest
  readonly times: ForwardTimes
  /** When the whole exchange must be over, on the clock of `Deadlines`. */
  readonly untilMs: number
  /** Whether a byte of the body has come from the client. */
  readonly bodyBegan: boolean
  /** The body as far as it has come; only asked before the attempt sends anything. */
  readonly kept: readonly Buffer[]
  /** Whether it may be sent again when it is not known whether it was applied. */
  readonly repeatable: boolean
  /** The body up to here has been sent: no need to keep it if it is large. */
  bodySent(): void
  answered(outcome: AttemptOutcome): void
  /** Whether the answer is to be dropped, and the request sent elsewhere. */
  refused(answer: AttemptOutcome): Refusal | undefined
  /** The response that was `answered` is about to be written: what is to be changed of its head. */
  edit(response: ParsedResponse): void
  /** A response head is about to be written. */
  responding(status: number): void
  responseBytes(bytes: number): void
  /** The response is complete and written. */
  completed(): void
  /** The response broke off in its middle. */
  truncated(): void
  /** No response. */
  attemptFailed(failure: AttemptFailure, how: AttemptEnd): void
  /** The target switched protocols: its connection is a tunnel now. */
  tunnelled(response: ParsedResponse, link: UpstreamLink): void
}

const CONNECTING = 0
const SENDING = 1
const RESPONDING = 2
const OVER = 3

/** One attempt: the request on its way to one target, and the response on its way back. */
export class Attempt implements UpstreamUser, PoolWaiter {
  readonly target: Target
  readonly #exchange: AttemptExchange
  /** Of a recorded request. */
  readonly #recording: AttemptRecording | undefined
  #state = CONNECTING
  #connection: UpstreamLink | undefined
  #interims = 0
  #sentMs = 0
  #isDown = false

  constructor(exchange: AttemptExchange, target: Target) {
    this.#exchange = exchange
    this.target = target
    this.#recording = exchange.head.recording?.attempt(target)
  }

  get connectTimeoutMs(): number {
    return this.#exchange.times.connectTimeoutMs
  }

  get upgrade(): boolean {
    return this.#exchange.head.upgrade !== undefined
  }

  /** `fresh`: over a new connection, not a pooled one. */
  begin(fresh: boolean): void {
    this.#exchange.engine.stats.attempts++
    this.target.meter?.attempted()
    this.#exchange.engine.pools.acquire(this.target, this, fresh)
  }

  /** Whether it takes body pieces now; before, the exchange keeps them. */
  get sending(): boolean {
    return this.#connection !== undefined
  }

  /** Gives the attempt up; nothing more is heard of it. */
  drop(): void {
    this.#recording?.ended()
    if (this.#state === CONNECTING) this.#exchange.engine.pools.cancel(this.target, this)
    this.#state = OVER
    this.#connection?.abandon()
    this.#connection = undefined
  }

  // The request.

  connected(connection: UpstreamLink): void {
    const { head, client, bodyBegan, kept } = this.#exchange
    connection.assign(this)
    this.#recording?.connected(connection.reused)
    try {
      connection.begin(head, this.target, client.forwarded(head), !bodyBegan)
    } catch (thrown) {
      this.#state = OVER
      connection.abandon()
      this.#fail('connect', toAriesError(thrown), 'final')
      return
    }
    this.#state = SENDING
    this.#connection = connection
    this.#arm(connection, NEVER)
    for (let i = 0; i < kept.length; i++) this.send(kept[i]!)
    this.#exchange.bodySent()
    if (client.bodyEnded) this.sendEnd()
    this.flush()
  }

  connectFailed(error: AriesError): void {
    this.#state = OVER
    this.#fail('connect', error, 'again')
  }

  send(piece: Buffer): void {
    this.#connection!.piece(piece)
    this.target.meter?.sent(piece.length)
  }

  sendEnd(): void {
    const connection = this.#connection!
    const { head, client, times } = this.#exchange
    connection.end(client.trailers)
    if (this.#state !== SENDING) return
    this.#sentMs = performance.now()
    this.#recording?.sent()
    this.#arm(connection, head.isGrpc ? times.tunnelIdleTimeoutMs : times.responseTimeoutMs)
  }

  flush(): void {
    const connection = this.#connection!
    if (connection.flush()) {
      this.#exchange.client.release()
      return
    }
    this.#exchange.client.hold()
    if (this.#state === SENDING && !connection.sentAll) this.#expectPiece(connection)
  }

  upstreamDrain(): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#state === SENDING && !connection.sentAll) this.#arm(connection, NEVER)
    this.#exchange.client.release()
  }

  // The response.

  upstreamHead(response: ParsedResponse): 'none' | 'body' | 'tunnel' {
    if (response.status === 101) return this.#switchProtocols(response)
    if (response.interim) return this.#interim(response)
    const { head, client } = this.#exchange
    // HTTP/2: to the client a 200 would be a tunnel.
    if (head.version === '2.0' && head.upgrade !== undefined && response.status < 300) {
      throw new Error('it did not switch protocols')
    }
    const bodiless = head.method === 'HEAD' || response.bodiless
    const follows = bodiless ? 'none' : 'body'
    if (response.status === 421 && response.fault === 'ARIES_E_NOT_OWNER') {
      this.#notOwner(response)
      return follows
    }
    if (response.fault === 'ARIES_E_OUTCOME_UNKNOWN' && this.#exchange.repeatable) {
      this.#outcomeUnknown()
      return follows
    }
    const outcome = this.#outcome(response)
    if (response.status >= 500) {
      const refusal = this.#exchange.refused(outcome)
      if (refusal !== undefined) {
        this.#refused(refusal, response)
        return follows
      }
    }
    this.#exchange.answered(outcome)
    this.#exchange.edit(response)
    this.#state = RESPONDING
    this.#exchange.responding(response.status)
    client.response.begin(head, response, bodiless, client.bodyEnded)
    this.#expectPiece(this.#connection!)
    return follows
  }

  upstreamData(piece: Buffer): void {
    if (this.#state !== RESPONDING) return
    this.#exchange.responseBytes(piece.length)
    this.target.meter?.received(piece.length)
    this.#exchange.client.response.piece(piece)
  }

  upstreamEnd(trailers: string): void {
    if (this.#state !== RESPONDING) return
    this.#state = OVER
    this.#connection = undefined
    this.#exchange.client.response.end(trailers)
    this.#recording?.ended()
    this.#exchange.completed()
  }

  upstreamFlush(): void {
    const connection = this.#connection
    if (connection === undefined) return
    const ready = this.#exchange.client.flush()
    if (this.#state !== RESPONDING) return
    if (ready) this.#expectPiece(connection)
    else {
      connection.pause()
      this.#arm(connection, NEVER)
    }
  }

  clientDrained(): void {
    const connection = this.#connection
    if (connection === undefined || this.#state !== RESPONDING) return
    connection.resume()
    this.#expectPiece(connection)
  }

  upstreamFailed(error: AriesError, spoke: boolean, unprocessed = false): void {
    const connection = this.#connection!
    const wasResponding = this.#state === RESPONDING
    this.#state = OVER
    this.#connection = undefined
    if (wasResponding) {
      this.#truncated()
      return
    }
    // A target that takes the request elsewhere (`http-proxy`) knows that it never left.
    if (error.code === 'ARIES_E_NODE_UNREACHABLE') this.#fail('connect', error, 'again')
    else if (unprocessed) this.#fail('refused', error, 'stale')
    else {
      const how = spoke ? 'final' : connection.reused ? 'stale' : 'again'
      this.#fail(connection.sentAll ? 'waiting' : 'sending', error, how)
    }
  }

  upstreamDown(): void {
    const connection = this.#connection!
    if (this.#state !== SENDING) return
    if (this.#exchange.repeatable || !connection.sentAll) {
      this.#foundDead()
      return
    }
    this.#isDown = true
    const graceMs = this.#exchange.engine.deadlines.after(DOWN_GRACE_MS)
    connection.deadlineMs = Math.min(connection.deadlineMs, graceMs)
  }

  upstreamExpired(): void {
    if (this.#isDown && this.#state === SENDING) {
      this.#foundDead()
      return
    }
    const sentAll = this.#connection!.sentAll
    const wasResponding = this.#state === RESPONDING
    this.drop()
    if (wasResponding) {
      this.#truncated()
      return
    }
    const { times, untilMs, engine } = this.#exchange
    const isOver = engine.deadlines.nowMs >= untilMs
    const limit = isOver ? 'requestTimeoutMs' : sentAll ? 'responseTimeoutMs' : 'bodyIdleTimeoutMs'
    const error = new AriesError(
      'ARIES_E_TIMEOUT',
      `target ${this.target.id} did not answer within ${limitText(times, limit)}; the request may have been applied`,
    )
    this.#fail(sentAll ? 'waiting' : 'sending', error, 'final')
  }

  #truncated(): void {
    this.target.meter?.unanswered()
    this.#exchange.truncated()
  }

  #foundDead(): void {
    const phase = this.#connection!.sentAll ? 'waiting' : 'sending'
    const message = `target ${this.target.id} failed: gossip found its node dead`
    this.drop()
    this.#fail(phase, new AriesError('ARIES_E_BAD_GATEWAY', message), 'blameless')
  }

  #interim(response: ParsedResponse): 'none' {
    if (++this.#interims > INTERIM_MAX) throw new Error('too many interim responses')
    const { head, client, bodyBegan } = this.#exchange
    // HTTP/1.0 knows none; and who has begun to send its body needs no leave to do so.
    const wanted = response.status !== 100 || (head.expectContinue && !bodyBegan)
    if (head.minorVersion === 1 && wanted) client.response.interim(response)
    return 'none'
  }

  #notOwner(response: ParsedResponse): void {
    this.#discard()
    const error = new AriesError('ARIES_E_NOT_OWNER', `${this.target.id} does not own the worker`)
    this.#recording?.failed(error.message)
    this.#exchange.attemptFailed(
      {
        target: this.target,
        phase: 'not-owner',
        error,
        ...(response.owner === undefined ? undefined : { owner: response.owner }),
      },
      'again',
    )
  }

  /** The host lost the answer of its store; what is safe to repeat is asked again. */
  #outcomeUnknown(): void {
    const phase = this.#connection!.sentAll ? 'waiting' : 'sending'
    this.#discard()
    const message = `${this.target.id} does not know whether it was applied`
    this.#fail(phase, new AriesError('ARIES_E_OUTCOME_UNKNOWN', message), 'again')
  }

  #refused(refusal: Refusal, { status }: ParsedResponse): void {
    const phase = this.#connection!.sentAll ? 'waiting' : 'sending'
    this.#discard()
    const error = new AriesError('ARIES_E_BAD_GATEWAY', `${this.target.id} answered ${status}`)
    this.#failed(refusal === 'not-begun' ? 'refused' : phase, error, 'again')
  }

  /** Nobody wants the response; the connection may serve again. */
  #discard(): void {
    const connection = this.#connection!
    this.#connection = undefined
    this.#state = OVER
    if (connection.sentAll) connection.discard(this.#exchange.times.bodyIdleTimeoutMs)
    else connection.abandon()
  }

  #switchProtocols(response: ParsedResponse): 'tunnel' {
    const connection = this.#connection!
    const { head, client } = this.#exchange
    if (head.upgrade === undefined || !client.bodyEnded || !connection.sentAll) {
      throw new Error('it switched protocols without being asked')
    }
    this.#exchange.answered(this.#outcome(response))
    this.#exchange.edit(response)
    this.#state = OVER
    this.#connection = undefined
    this.#exchange.tunnelled(response, connection)
    return 'tunnel'
  }

  #outcome({ status, owner, fault, load }: ParsedResponse): AttemptOutcome {
    const waitedMs = this.#sentMs === 0 ? 0 : performance.now() - this.#sentMs
    this.target.meter?.answered(status, waitedMs)
    this.#recording?.answered(status)
    return {
      target: this.target,
      status,
      waitedMs,
      ...(owner === undefined ? undefined : { owner }),
      ...(fault === undefined ? undefined : { fault }),
      ...(load === undefined ? undefined : { load }),
    }
  }

  #expectPiece(connection: UpstreamLink): void {
    const { head, times } = this.#exchange
    this.#arm(connection, head.idleMs(times))
  }

  /** Something must happen within `ms`, and all within the time of the whole exchange. */
  #arm(connection: UpstreamLink, ms: number): void {
    const { engine, untilMs } = this.#exchange
    connection.deadlineMs = Math.min(engine.deadlines.after(ms), untilMs)
  }

  /** Without an answer. */
  #fail(phase: AttemptFailure['phase'], error: AriesError, how: AttemptEnd): void {
    if (phase === 'connect') this.target.meter?.connectFailed()
    else if (phase !== 'refused') this.target.meter?.unanswered()
    this.#failed(phase, error, how)
  }

  #failed(phase: AttemptFailure['phase'], error: AriesError, how: AttemptEnd): void {
    this.#recording?.failed(`${phase}: ${error.message}`)
    this.#exchange.attemptFailed({ target: this.target, phase, error }, how)
  }
}
