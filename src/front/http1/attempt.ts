import { AriesError, toAriesError } from '../../errors.ts'
import { NEVER } from '../../http1/deadlines.ts'
import type { Outbox } from '../../http1/outbox.ts'
import type { AttemptFailure, AttemptOutcome, Refusal, Target } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import type { ExchangeClient } from './exchange.ts'
import { type Framing, interimHeadText, requestHeadText, responseHeadText } from './head-edit.ts'
import { DOWN_GRACE_MS, INTERIM_MAX } from './limits.ts'
import type { ParsedResponse } from './response-head.ts'
import type { UpstreamConnection, UpstreamUser } from './upstream-connection.ts'
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
  /** A response head was written. `last`: no other request can follow it. */
  responding(status: number, last: boolean): void
  responseBytes(bytes: number): void
  /** The response is complete and written. */
  completed(): void
  /** The response broke off in its middle. */
  truncated(): void
  /** No response. */
  attemptFailed(failure: AttemptFailure, how: AttemptEnd): void
  /** The connection became a tunnel; `ended` to be called when it ends. */
  tunnelled(connection: UpstreamConnection): void
}

const CONNECTING = 0
const SENDING = 1
const RESPONDING = 2
const OVER = 3

/** One attempt: the request on its way to one target, and the response on its way back. */
export class Attempt implements UpstreamUser, PoolWaiter {
  readonly target: Target
  readonly #exchange: AttemptExchange
  #state = CONNECTING
  #connection: UpstreamConnection | undefined
  #interims = 0
  #sentMs = 0
  #chunkedOut = false
  #isDown = false

  constructor(exchange: AttemptExchange, target: Target) {
    this.#exchange = exchange
    this.target = target
  }

  /** `fresh`: over a new connection, not a pooled one. */
  begin(fresh: boolean): void {
    this.#exchange.engine.stats.attempts++
    this.#exchange.engine.pools.acquire(this.target, this, fresh)
  }

  /** Whether it takes body pieces now; before, the exchange keeps them. */
  get sending(): boolean {
    return this.#connection !== undefined
  }

  /** Gives the attempt up; nothing more is heard of it. */
  drop(): void {
    if (this.#state === CONNECTING) this.#exchange.engine.pools.cancel(this.target, this)
    this.#state = OVER
    this.#connection?.abandon()
    this.#connection = undefined
  }

  // The request.

  connected(connection: UpstreamConnection): void {
    const { head, client, bodyBegan, kept } = this.#exchange
    let text: string
    try {
      text = requestHeadText(head, this.target, client.forwarded(head), !bodyBegan)
    } catch (thrown) {
      this.#state = OVER
      connection.abandon()
      this.#fail('connect', toAriesError(thrown), 'final')
      return
    }
    this.#state = SENDING
    this.#connection = connection
    connection.assign(this)
    connection.out.text(text)
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
    writePiece(this.#connection!.out, piece, this.#exchange.head.chunked)
  }

  sendEnd(): void {
    const connection = this.#connection!
    const { head, client, engine } = this.#exchange
    if (head.chunked) connection.out.text(`0\r\n${client.trailers}\r\n`)
    connection.sentAll = true
    if (this.#state !== SENDING) return
    this.#sentMs = performance.now()
    connection.deadlineMs = engine.deadlines.after(engine.init.responseTimeoutMs)
  }

  flush(): void {
    const connection = this.#connection!
    if (connection.out.flush()) {
      this.#exchange.client.release()
      return
    }
    this.#exchange.client.hold()
    if (this.#state === SENDING && !connection.sentAll) this.#expectPiece(connection)
  }

  upstreamDrain(): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#state === SENDING && !connection.sentAll) connection.deadlineMs = NEVER
    this.#exchange.client.release()
  }

  // The response.

  upstreamHead(response: ParsedResponse): 'none' | 'body' | 'tunnel' {
    if (response.status === 101) return this.#switchProtocols(response)
    if (response.interim) return this.#interim(response)
    const { head, client, engine } = this.#exchange
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
    if (response.status >= 502 && response.status <= 504) {
      const refusal = this.#exchange.refused(outcome)
      if (refusal !== undefined) {
        this.#refused(refusal, response)
        return follows
      }
    }
    this.#exchange.answered(outcome)
    const framing = this.#framing(response, bodiless)
    const last = framing === 'until-close' || !head.keepAlive || !client.bodyEnded || engine.closing
    this.#state = RESPONDING
    this.#chunkedOut = framing === 'chunked'
    this.#exchange.responding(response.status, last)
    client.out.text(responseHeadText(response, head, framing, last, engine.nodeLine))
    this.#expectPiece(this.#connection!)
    return follows
  }

  upstreamData(piece: Buffer): void {
    if (this.#state !== RESPONDING) return
    this.#exchange.responseBytes(piece.length)
    writePiece(this.#exchange.client.out, piece, this.#chunkedOut)
  }

  upstreamEnd(trailers: string): void {
    if (this.#state !== RESPONDING) return
    this.#state = OVER
    this.#connection = undefined
    if (this.#chunkedOut) this.#exchange.client.out.text(`0\r\n${trailers}\r\n`)
    this.#exchange.completed()
  }

  upstreamFlush(): void {
    const connection = this.#connection
    if (connection === undefined) return
    const ready = this.#exchange.client.flush()
    if (this.#state !== RESPONDING) return
    if (ready) this.#expectPiece(connection)
    else {
      connection.stream.pause()
      connection.deadlineMs = NEVER
    }
  }

  clientDrained(): void {
    const connection = this.#connection
    if (connection === undefined || this.#state !== RESPONDING) return
    connection.stream.resume()
    this.#expectPiece(connection)
  }

  upstreamFailed(error: AriesError, spoke: boolean): void {
    const connection = this.#connection!
    const wasResponding = this.#state === RESPONDING
    this.#state = OVER
    this.#connection = undefined
    if (wasResponding) {
      this.#exchange.truncated()
      return
    }
    // A target that takes the request elsewhere (`http-proxy`) knows that it never left.
    if (error.code === 'ARIES_E_NODE_UNREACHABLE') this.#fail('connect', error, 'again')
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
      this.#exchange.truncated()
      return
    }
    const limit = sentAll ? 'responseTimeoutMs' : 'bodyIdleTimeoutMs'
    const error = new AriesError(
      'ARIES_E_TIMEOUT',
      `target ${this.target.id} did not answer within front.${limit} (${this.#exchange.engine.init[limit]} ms); the request may have been applied`,
    )
    this.#fail(sentAll ? 'waiting' : 'sending', error, 'final')
  }

  #foundDead(): void {
    const phase = this.#connection!.sentAll ? 'waiting' : 'sending'
    const message = `target ${this.target.id} failed: gossip found its node dead`
    this.drop()
    this.#fail(phase, new AriesError('ARIES_E_BAD_GATEWAY', message), 'blameless')
  }

  #interim(response: ParsedResponse): 'none' {
    if (++this.#interims > INTERIM_MAX) throw new Error('too many interim responses')
    const { head, client, bodyBegan, engine } = this.#exchange
    // HTTP/1.0 knows none; and who has begun to send its body needs no leave to do so.
    const wanted = response.status !== 100 || (head.expectContinue && !bodyBegan)
    if (head.minorVersion === 1 && wanted) {
      client.out.text(interimHeadText(response, engine.nodeLine))
    }
    return 'none'
  }

  #notOwner(response: ParsedResponse): void {
    this.#discard()
    const error = new AriesError('ARIES_E_NOT_OWNER', `${this.target.id} does not own the worker`)
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
    this.#fail(refusal === 'not-begun' ? 'refused' : phase, error, 'again')
  }

  /** Nobody wants the response; the connection may serve again. */
  #discard(): void {
    const connection = this.#connection!
    this.#connection = undefined
    this.#state = OVER
    if (connection.sentAll) connection.discard(this.#exchange.engine.init.bodyIdleTimeoutMs)
    else connection.abandon()
  }

  #switchProtocols(response: ParsedResponse): 'tunnel' {
    const connection = this.#connection!
    const { head, client, engine } = this.#exchange
    if (head.upgrade === undefined || !client.bodyEnded || !connection.sentAll) {
      throw new Error('it switched protocols without being asked')
    }
    this.#exchange.answered(this.#outcome(response))
    this.#state = OVER
    this.#connection = undefined
    client.out.text(interimHeadText(response, engine.nodeLine))
    this.#exchange.tunnelled(connection)
    return 'tunnel'
  }

  #outcome({ status, owner, fault, load }: ParsedResponse): AttemptOutcome {
    const waitedMs = this.#sentMs === 0 ? 0 : performance.now() - this.#sentMs
    return {
      target: this.target,
      status,
      waitedMs,
      ...(owner === undefined ? undefined : { owner }),
      ...(fault === undefined ? undefined : { fault }),
      ...(load === undefined ? undefined : { load }),
    }
  }

  #framing(response: ParsedResponse, bodiless: boolean): Framing {
    if (bodiless) return 'none'
    if (response.contentLength >= 0) return 'length'
    return response.chunked && this.#exchange.head.minorVersion === 1 ? 'chunked' : 'until-close'
  }

  #expectPiece(connection: UpstreamConnection): void {
    const { deadlines, init } = this.#exchange.engine
    connection.deadlineMs = deadlines.after(init.bodyIdleTimeoutMs)
  }

  #fail(phase: AttemptFailure['phase'], error: AriesError, how: AttemptEnd): void {
    this.#exchange.attemptFailed({ target: this.target, phase, error }, how)
  }
}

function writePiece(out: Outbox, piece: Buffer, chunked: boolean): void {
  if (!chunked) {
    out.piece(piece)
    return
  }
  out.text(`${piece.length.toString(16)}\r\n`)
  out.piece(piece)
  out.text('\r\n')
}
