import type { AriesError } from '../../errors.ts'
import { FULL, NO_TARGET, type RequestChooser } from '../../placement/request-chooser.ts'
import type { RetryBudget } from '../../placement/retry-budget.ts'
import { parseLoad } from '../../wire.ts'
import type { Meters, RouteMeter } from '../meters.ts'
import type { RouteKind, ShardStats } from '../metrics.ts'
import type { AttemptFailure, AttemptOutcome, Refusal, Target } from '../plan.ts'
import type { Recording } from '../recording.ts'
import { type Candidate, costsOf } from './candidates.ts'
import { CountedPicker } from './counted.ts'
import type { Line, Lines, Ticket } from './lines.ts'

/** What pickers that choose among targets share in a shard. */
export interface Balance {
  readonly chooser: RequestChooser
  readonly lines: Lines
  readonly retries: RetryBudget
  readonly stats: ShardStats
  readonly meters: Meters
}

/** Of the route: where its requests wait, and where that is counted. */
export interface Place {
  readonly line: Line
  readonly meter: RouteMeter
}

const NOT_SENT = -1

/**
 * A request that any of several targets may take: the cheapest of them; when all are full it waits;
 * when one fails, another. Tells the chooser how each attempt went.
 */
export abstract class BalancedPicker extends CountedPicker {
  readonly #balance: Balance
  readonly #line: Line
  readonly #meter: RouteMeter
  #slot = NOT_SENT
  #sentMs = 0
  #found = 0
  /** Whether the target in `#slot` has answered or failed, so that the chooser has been told. */
  #isTold = false
  #tried: Set<number> | undefined
  /** Chosen already for the next attempt, which is paid for. */
  #next = NOT_SENT
  #ticket: Ticket | undefined
  #joinedMs = 0
  protected recording: Recording | undefined

  /** `meter`: of the route. `isSecond`: beside another picker for the same request. */
  constructor(balance: Balance, { line, meter }: Place, kind: RouteKind, isSecond = false) {
    super(balance.stats, kind)
    this.#meter = meter
    this.#balance = balance
    this.#line = line
    if (!isSecond) balance.retries.deposit(performance.now())
  }

  /** The slot for the next attempt, `NO_TARGET` or `FULL`; `tried`: not these. */
  protected abstract choose(nowMs: number, tried: ReadonlySet<number> | undefined): number
  protected abstract target(slot: number): Target | undefined
  /** Those that `choose` chooses among. */
  protected abstract candidates(): readonly Candidate[]
  /** What became of an attempt at that slot: its status, 0 for no answer. */
  protected noted?(slot: number, status: number): void
  /** No connection could be made to the target in that slot. */
  protected abstract unreachable(slot: number, error: AriesError): void
  protected abstract get noneMessage(): string
  /** What an answer says that another target may answer better; undefined: it is an answer. */
  protected abstract refusal(answer: AttemptOutcome, mayRepeat: boolean): Refusal | undefined

  record(recording: Recording): void {
    this.recording = recording
  }

  pick(failure?: AttemptFailure): Target | Promise<Target> {
    if (failure !== undefined) this.#leave(failure)
    if (this.#next !== NOT_SENT) return this.#send(this.#next)
    if (failure !== undefined && failure.phase !== 'connect') {
      if (!this.#balance.retries.withdraw(performance.now())) throw this.answeredBy(failure.error)
    }
    const slot = this.#choose()
    if (slot === NO_TARGET) throw this.#none(failure)
    if (slot !== FULL) return this.#send(slot)
    return this.#line
      .wait(
        () => this.#takeInLine(failure),
        (ticket) => {
          this.#ticket = ticket
          this.#joinedMs = performance.now()
          this.#meter.queued()
          this.recording?.waits()
        },
      )
      .catch((thrown: AriesError) => {
        this.#leaveLine()
        throw this.answeredBy(thrown)
      })
  }

  refused(answer: AttemptOutcome, mayRepeat: boolean): Refusal | undefined {
    const refusal = this.refusal(answer, mayRepeat)
    if (refusal === undefined) return undefined
    const next = this.#choose(this.#slot)
    if (next < 0 || !this.#balance.retries.withdraw(performance.now())) return undefined
    this.#next = next
    this.#hear(answer)
    return refusal
  }

  override answered(outcome: AttemptOutcome): void {
    super.answered(outcome)
    this.#hear(outcome)
  }

  override done(failure: AttemptFailure | undefined, ms: number): void {
    this.#leaveLine()
    if (failure !== undefined) this.#leave(failure)
    else this.#release()
    super.done(failure, ms)
  }

  resign(failure?: AttemptFailure): void {
    this.#leaveLine()
    if (failure !== undefined) this.#leave(failure)
    else this.#release()
  }

  /** Chooses a target beside that of `first`, and pays for it; false when there is none. */
  protected follow(first: BalancedPicker): boolean {
    const next = this.#choose(first.#slot)
    if (next < 0 || !this.#balance.retries.withdraw(performance.now())) return false
    this.#next = next
    return true
  }

  #send(slot: number): Target {
    const target = this.target(slot)
    if (target === undefined) throw this.noTarget(this.noneMessage)
    if (this.#ticket !== undefined) this.#leaveLine()
    this.#next = NOT_SENT
    this.#slot = slot
    this.#sentMs = performance.now()
    this.#found = this.#balance.chooser.sent(slot, this.#sentMs)
    this.#isTold = false
    return this.goesTo(target)
  }

  /** `besides`: not that one either. */
  #choose(besides = NOT_SENT): number {
    if (besides !== NOT_SENT) this.#avoid(besides)
    if (this.recording?.explains === true) return this.#chooseRecorded(this.recording)
    return this.choose(performance.now(), this.#tried)
  }

  #chooseRecorded(recording: Recording): number {
    const { chooser } = this.#balance
    const nowMs = performance.now()
    const drawn: number[] = []
    chooser.watched = drawn
    const slot = this.choose(nowMs, this.#tried)
    chooser.watched = undefined
    const costs = costsOf(this.candidates(), { chooser, drawn, tried: this.#tried, nowMs })
    recording.considered(costs, drawn.length === 0 ? 'sticky' : 'cost')
    return slot
  }

  #takeInLine(failure: AttemptFailure | undefined): Target | undefined {
    const slot = this.#choose()
    if (slot === NO_TARGET) throw this.#none(failure)
    return slot === FULL ? undefined : this.#send(slot)
  }

  #none(failure: AttemptFailure | undefined): AriesError {
    return failure === undefined ? this.noTarget(this.noneMessage) : this.answeredBy(failure.error)
  }

  #hear({ status, load }: AttemptOutcome): void {
    const { chooser } = this.#balance
    const nowMs = performance.now()
    const told = load === undefined ? undefined : parseLoad(load)
    if (told !== undefined) chooser.told(this.#slot, told.requests, told.threads, nowMs)
    this.#isTold = true
    this.noted?.(this.#slot, status)
    if (status >= 500) chooser.failed(this.#slot, this.#sentMs, nowMs)
    else chooser.answered(this.#slot, this.#sentMs, nowMs, this.#found)
  }

  /** The attempt failed; another may follow. */
  #leave({ phase, error }: AttemptFailure): void {
    if (this.#slot === NOT_SENT) return
    if (phase === 'connect') this.unreachable(this.#slot, error)
    this.#avoid(this.#slot)
    if (!this.#isTold) {
      this.#isTold = true
      this.noted?.(this.#slot, 0)
      this.#balance.chooser.failed(this.#slot, this.#sentMs, performance.now())
    }
    this.#release()
  }

  #leaveLine(): void {
    const ticket = this.#ticket
    if (ticket === undefined) return
    this.#ticket = undefined
    this.#line.leave(ticket)
    this.#meter.unqueued(performance.now() - this.#joinedMs)
  }

  #avoid(slot: number): void {
    this.#tried ??= new Set()
    this.#tried.add(slot)
  }

  #release(): void {
    if (this.#slot === NOT_SENT) return
    const { chooser, lines } = this.#balance
    const nowMs = performance.now()
    if (!this.#isTold) chooser.forsaken(this.#slot, this.#sentMs, nowMs, this.#found)
    chooser.done(this.#slot, nowMs)
    this.#slot = NOT_SENT
    this.leaves()
    lines.advance()
  }
}
