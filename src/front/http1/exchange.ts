import type { AriesError } from '../../errors.ts'
import { SAFE_TO_REPEAT } from '../../wire.ts'
import type { RouteMeter } from '../meters.ts'
import type {
  AttemptFailure,
  AttemptOutcome,
  BodyLimit,
  Mirror,
  Picker,
  Plan,
  Refusal,
  Target,
} from '../plan.ts'
import { type ForwardTerms, type ForwardTimes, timesWithin } from '../route-terms.ts'
import { Attempt, type AttemptEnd } from './attempt.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import type { ExchangeClient } from './exchange-client.ts'
import {
  bodyGone,
  bodyTooLarge,
  internal,
  NOT_APPLIED,
  noRoom,
  outcomeUnknown,
  tooManyAttempts,
} from './exchange-errors.ts'
import { fieldLines, maxForwards } from './head-edit.ts'
import { Hedge, type HedgedExchange, type Lane } from './hedge.ts'
import { ATTEMPTS_MAX } from './limits.ts'
import { LostTargets } from './lost-targets.ts'
import { sendMirrored } from './mirror-attempt.ts'
import { errorReply, finalRecipientReply, type Reply } from './reply.ts'
import type { ParsedResponse } from './response-head.ts'
import type { UpstreamLink } from './upstream-link.ts'

const NOTHING: readonly Buffer[] = []

/** One request and its response: asks for targets, keeps the body for another attempt, ends once. */
export class Exchange implements HedgedExchange {
  readonly engine: EngineContext
  readonly client: ExchangeClient
  readonly head: ClientRequest
  times: ForwardTimes
  untilMs: number
  readonly #startedMs = performance.now()
  #picker: Picker | undefined
  /** Of the route; undefined when none matches. */
  #meter: RouteMeter | undefined
  #terms: ForwardTerms | undefined
  #answerHeaders: Extract<Plan, { kind: 'forward' }>['answerHeaders']
  /** A copy goes there as soon as the request is complete. */
  #mirror: Mirror | undefined
  #attempt: Attempt | undefined
  #hedge: Hedge | undefined
  #attempts = 0
  #lost: LostTargets | undefined
  #staleOnce = false
  /** The body for the next attempt; undefined when it is no longer complete. */
  #kept: Buffer[] | undefined
  #keptBytes = 0
  #bodyLost = false
  #bodyLimit: BodyLimit
  #bytesIn = 0
  #bytesOut = 0
  #status = 0
  #targetId = ''
  #error: AriesError | undefined
  #done = false

  constructor(engine: EngineContext, client: ExchangeClient, head: ClientRequest) {
    this.engine = engine
    this.client = client
    this.head = head
    this.#bodyLimit = engine.bodyLimit
    this.times = head.isGrpc ? timesWithin(engine.times, head.timeoutMs) : engine.times
    this.untilMs = engine.deadlines.after(this.times.requestTimeoutMs)
    engine.stats.requests++
    engine.stats.exchangesActive++
  }

  begin(): void {
    if (maxForwards(this.head) === 0) {
      this.#answer(finalRecipientReply(this.head.method), undefined)
      return
    }
    try {
      this.#run(this.engine.planner.plan(this.head))
    } catch (thrown) {
      this.fail(internal(this.engine, this.head, thrown))
    }
  }

  #run(plan: Plan): void {
    this.#meter = plan.meter
    plan.meter?.began()
    if (plan.kind === 'forward') {
      this.#picker = plan.picker
      this.#answerHeaders = plan.answerHeaders
      if (this.head.recording !== undefined) plan.picker.record?.(this.head.recording)
      const { bodyLimit, terms, rewritten, host } = plan
      if (terms !== undefined) this.#setTerms(terms)
      else if (bodyLimit !== undefined && bodyLimit.bytesMax < this.#bodyLimit.bytesMax) {
        this.#bodyLimit = bodyLimit
      }
      if (rewritten !== undefined) this.head.rewritten = rewritten
      if (host !== undefined) this.head.sentHost = host
      // The target would cut the connection with the body under way: its answer might be lost.
      if (this.#refusesBody(this.head.contentLength)) return
      this.#mirror = plan.mirror
      this.client.feed()
      if (this.client.bodyEnded) {
        this.#copy()
        if (plan.hedging !== undefined) this.#hedge = new Hedge(this, plan.hedging)
      }
      if (!this.#done) this.#pick(undefined)
    } else if (plan.kind === 'reply') {
      if (this.#refusesBody(this.head.contentLength)) return
      // Before anything is written: a header that cannot be sent is a fault of ours.
      fieldLines(plan.headers)
      this.#answer(plan, undefined)
    } else {
      this.#finish(101, undefined)
      this.client.take(plan.take)
    }
  }

  #setTerms(terms: ForwardTerms): void {
    this.#terms = terms
    this.#bodyLimit = terms.bodyLimit
    const { head } = this
    this.times = head.isGrpc ? timesWithin(terms.times, head.timeoutMs) : terms.times
    this.untilMs = this.engine.deadlines.after(this.times.requestTimeoutMs)
    terms.request?.(this.head.fields, this.head)
  }

  #copy(): void {
    const mirror = this.#mirror
    if (mirror === undefined || this.#done) return
    this.#mirror = undefined
    const { engine, head, client } = this
    if (this.#bodyLost) mirror.dropped()
    else {
      const forwarded = client.forwarded(head)
      const body = [...this.kept]
      sendMirrored(engine, { head, forwarded, body, trailers: client.trailers }, mirror)
    }
  }

  // The client's side.

  clientData(piece: Buffer): void {
    if (this.#done) return
    this.#bytesIn += piece.length
    if (this.#refusesBody(this.#bytesIn)) return
    if (!this.#bodyLost && !this.#keep(piece)) return
    if (this.#attempt?.sending === true) {
      this.#attempt.send(piece)
      this.bodySent()
    } else if (this.#keptBytes > this.engine.init.replayBytesMax) this.client.hold()
  }

  clientEnd(): void {
    this.#copy()
    if (this.#attempt?.sending === true) this.#attempt.sendEnd()
  }

  /** What one read brought has been handed over. */
  clientFlush(): void {
    if (this.#attempt?.sending === true) this.#attempt.flush()
  }

  clientDrained(): void {
    this.#attempt?.clientDrained()
  }

  clientGone(): void {
    if (this.#done) return
    this.#attempt?.drop()
    this.#finish(499, undefined)
  }

  // For the attempt.

  get bodyBegan(): boolean {
    return this.#bytesIn > 0
  }

  get kept(): readonly Buffer[] {
    return this.#kept ?? NOTHING
  }

  get repeatable(): boolean {
    return SAFE_TO_REPEAT.has(this.head.method) || this.#picker!.repeatable === true
  }

  bodySent(): void {
    if (this.#keptBytes > this.engine.init.replayBytesMax) this.#loseBody()
  }

  answered(outcome: AttemptOutcome): void {
    this.#picker!.answered(outcome)
  }

  edit(response: ParsedResponse): void {
    this.#terms?.response?.(response.fields, this.head)
    if (this.#answerHeaders !== undefined) {
      for (const [name, value] of this.#answerHeaders) response.fields.add(name, value)
    }
    const cookie = this.#picker!.setCookie?.()
    if (cookie !== undefined) response.fields.add('Set-Cookie', cookie)
  }

  refused(answer: AttemptOutcome): Refusal | undefined {
    if (this.#bodyLost || this.#attempts >= this.#attemptsMax) return undefined
    return this.#picker!.refused?.(answer, this.repeatable && this.#lost === undefined)
  }

  responding(status: number): void {
    this.#status = status
    this.#loseBody()
  }

  responseBytes(bytes: number): void {
    this.#bytesOut += bytes
  }

  completed(): void {
    this.client.flush()
    this.#finish(this.#status, undefined)
    this.client.exchangeDone()
  }

  truncated(): void {
    this.#finish(0, undefined)
    this.client.cut()
  }

  tunnelled(response: ParsedResponse, link: UpstreamLink): void {
    this.client.tunnel(response, link, () => this.#finish(101, undefined))
  }

  attemptFailed(failure: AttemptFailure, how: AttemptEnd): void {
    if (this.#done) return
    const notApplied = NOT_APPLIED.has(failure.phase)
    if (!notApplied && how !== 'blameless') {
      this.#lost ??= new LostTargets()
      this.#lost.add(failure.target)
    }
    if (how === 'final' && failure.error.code === 'ARIES_E_TIMEOUT') {
      this.fail(failure.error, failure)
    } else if (!notApplied && !this.repeatable) {
      this.fail(outcomeUnknown(failure, this.head.method), failure)
    } else if (how === 'final') this.fail(failure.error, failure)
    else if (this.#bodyLost) this.fail(bodyGone(failure), failure)
    else if (this.#lost?.areTooMany === true) this.fail(failure.error, failure)
    else if (this.#attempts >= this.#attemptsMax) this.fail(tooManyAttempts(failure), failure)
    else this.#again(failure, how)
  }

  get picker(): Picker {
    return this.#picker!
  }

  adopt({ picker, attempt }: Lane): void {
    this.#picker = picker
    this.#attempt = attempt
    this.#targetId = attempt.target.id
  }

  // Attempts.

  get #attemptsMax(): number {
    return Math.min(ATTEMPTS_MAX, this.#terms?.attemptsMax ?? ATTEMPTS_MAX)
  }

  #again(failure: AttemptFailure, how: AttemptEnd): void {
    this.engine.stats.retries++
    this.#meter?.retried()
    // A kept connection that closed as the request left says nothing about the target: no news
    // for the picker, one more try over a new connection.
    if (how === 'stale' && !this.#staleOnce) {
      this.#staleOnce = true
      this.#try(failure.target, true)
    } else this.#pick(failure)
  }

  #pick(failure: AttemptFailure | undefined): void {
    this.#attempt = undefined
    try {
      const picked = this.#picker!.pick(failure)
      if (picked instanceof Promise) {
        picked.then(
          (target) => this.#try(target, false),
          (thrown: unknown) => this.fail(internal(this.engine, this.head, thrown)),
        )
      } else this.#try(picked, false)
    } catch (thrown) {
      this.fail(internal(this.engine, this.head, thrown))
    }
  }

  #try(target: Target, fresh: boolean): void {
    if (this.#done) return
    this.#attempts++
    if (this.#attempts > 1 && target.id !== this.#targetId) this.#meter?.redispatched()
    this.#targetId = target.id
    const hedge = this.#attempts === 1 ? this.#hedge : undefined
    const attempt = hedge === undefined ? new Attempt(this, target) : hedge.first(target)
    this.#attempt = attempt
    attempt.begin(fresh)
  }

  // Keeps a piece for another attempt; false when there is no room for it. A request that is on its
  // way goes on without, one that still waits for a target is refused.
  #keep(piece: Buffer): boolean {
    const { engine } = this
    if (engine.keptBytes + piece.length > engine.init.keptBytesMax) {
      if (this.#attempt?.sending === true) this.#loseBody()
      else this.fail(noRoom(engine.init.keptBytesMax))
      return !this.#done
    }
    this.#kept ??= []
    this.#kept.push(piece)
    this.#keptBytes += piece.length
    engine.keptBytes += piece.length
    return true
  }

  #loseBody(): void {
    this.engine.keptBytes -= this.#keptBytes
    this.#kept = undefined
    this.#keptBytes = 0
    this.#bodyLost = true
  }

  #refusesBody(bytes: number): boolean {
    if (bytes <= this.#bodyLimit.bytesMax) return false
    this.fail(bodyTooLarge(this.#bodyLimit))
    return true
  }

  // Ends.

  /** Answers with `error`, or cuts the connection when a response has begun. */
  fail(error: AriesError, failure?: AttemptFailure): void {
    if (this.#done) return
    this.#attempt?.drop()
    if (this.#status !== 0) {
      this.truncated()
      return
    }
    this.#error = error
    const { errors } = this.engine.stats
    errors[error.code] = (errors[error.code] ?? 0) + 1
    this.#answer(errorReply(error), failure)
  }

  #answer(reply: Reply, failure: AttemptFailure | undefined): void {
    const { client } = this
    this.#bytesOut = client.response.reply(this.head, reply, client.dropBody())
    client.flush()
    this.#finish(reply.status, failure)
    client.exchangeDone()
  }

  /** Once: the books are closed. */
  #finish(status: number, failure: AttemptFailure | undefined): void {
    if (this.#done) return
    this.#done = true
    this.#hedge?.end()
    this.#loseBody()
    const { stats, hooks } = this.engine
    stats.exchangesActive--
    if (status >= 100) stats.byStatusClass[Math.trunc(status / 100)]!++
    const ms = performance.now() - this.#startedMs
    this.#picker?.done(failure, ms)
    this.#meter?.ended(status, this.#bytesIn, this.#bytesOut, ms)
    const { recording } = this.head
    if (hooks?.exchangeDone === undefined && recording === undefined) return
    const record = {
      method: this.head.method,
      target: this.head.target,
      version: this.head.version,
      remoteAddress: this.head.remoteAddress,
      requestId: this.head.requestId,
      traceId: this.head.traceId,
      status,
      targetId: this.#targetId,
      attempts: this.#attempts,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      ms,
      error: this.#error?.code,
    }
    recording?.ended(record)
    hooks?.exchangeDone?.(record)
  }
}
