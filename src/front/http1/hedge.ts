import type {
  AttemptFailure,
  AttemptOutcome,
  Hedging,
  Late,
  Picker,
  Refusal,
  Target,
} from '../plan.ts'
import type { ForwardTimes } from '../route-terms.ts'
import { Attempt, type AttemptEnd, type AttemptExchange } from './attempt.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { ParsedResponse } from './response-head.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** The exchange, as its hedge needs it. */
export interface HedgedExchange extends AttemptExchange {
  /** Of the attempt that the exchange goes by. */
  readonly picker: Picker
  /** From now on the exchange goes by that attempt. */
  adopt(lane: Lane): void
}

/**
 * The first attempt of a request without a body, and a second one beside it when the answer is late:
 * the first answer wins, the other attempt is given up.
 */
export class Hedge implements Late {
  readonly #exchange: HedgedExchange
  readonly #hedging: Hedging
  readonly #lanes: Lane[] = []
  readonly #startedMs = performance.now()

  constructor(exchange: HedgedExchange, hedging: Hedging) {
    this.#exchange = exchange
    this.#hedging = hedging
  }

  /** The first attempt, to be begun by the caller. */
  first(target: Target): Attempt {
    this.#hedging.wait(this)
    return this.#lane(this.#exchange.picker, target).attempt
  }

  late(): void {
    const { picker: first, head } = this.#exchange
    const picker = first.second?.()
    if (picker === undefined) return
    const target = picker.pick()
    if (target instanceof Promise) return
    this.#hedging.began()
    head.recording?.hedges()
    this.#lane(picker, target).attempt.begin(false)
  }

  /** The exchange has ended: what it does not go by is given up. */
  end(): void {
    this.#hedging.cancel(this)
    for (const lane of this.#lanes.splice(0)) this.#giveUp(lane)
  }

  /** Whether `lane` has another beside it. */
  hasOther(lane: Lane): boolean {
    return this.#lanes.some((other) => other !== lane)
  }

  /** `lane` has the answer, or is all that is left. */
  choose(lane: Lane): void {
    this.#hedging.cancel(this)
    const others = this.#lanes.splice(0).filter((other) => other !== lane)
    if (lane.picker !== this.#exchange.picker) this.#exchange.adopt(lane)
    for (const other of others) this.#giveUp(other)
  }

  answered(lane: Lane): void {
    this.#hedging.answered(performance.now() - this.#startedMs, this.#lanes.indexOf(lane) > 0)
    this.choose(lane)
  }

  /** `lane` failed, and the other goes on. */
  lost(lane: Lane, failure: AttemptFailure): void {
    this.#lanes.splice(this.#lanes.indexOf(lane), 1)
    const [other] = this.#lanes
    if (lane.picker === this.#exchange.picker) this.#exchange.adopt(other!)
    lane.picker.resign?.(failure)
  }

  #lane(picker: Picker, target: Target): Lane {
    const lane = new Lane(this, this.#exchange, picker, target)
    this.#lanes.push(lane)
    return lane
  }

  #giveUp(lane: Lane): void {
    if (lane.picker === this.#exchange.picker) return
    lane.attempt.drop()
    lane.picker.resign?.()
  }
}

/** One of the attempts: what it tells its exchange passes here. */
export class Lane implements AttemptExchange {
  readonly attempt: Attempt
  readonly picker: Picker
  readonly #hedge: Hedge
  readonly #exchange: HedgedExchange

  constructor(hedge: Hedge, exchange: HedgedExchange, picker: Picker, target: Target) {
    this.#hedge = hedge
    this.#exchange = exchange
    this.picker = picker
    this.attempt = new Attempt(this, target)
  }

  answered(outcome: AttemptOutcome): void {
    this.#hedge.answered(this)
    this.#exchange.answered(outcome)
  }

  refused(answer: AttemptOutcome): Refusal | undefined {
    if (this.#hedge.hasOther(this)) return isOfGateway(answer) ? 'failed' : undefined
    this.#hedge.choose(this)
    return this.#exchange.refused(answer)
  }

  attemptFailed(failure: AttemptFailure, how: AttemptEnd): void {
    if (this.#hedge.hasOther(this)) this.#hedge.lost(this, failure)
    else {
      this.#hedge.choose(this)
      this.#exchange.attemptFailed(failure, how)
    }
  }

  get engine(): EngineContext {
    return this.#exchange.engine
  }

  get client(): ExchangeClient {
    return this.#exchange.client
  }

  get head(): ClientRequest {
    return this.#exchange.head
  }

  get times(): ForwardTimes {
    return this.#exchange.times
  }

  get untilMs(): number {
    return this.#exchange.untilMs
  }

  get bodyBegan(): boolean {
    return false
  }

  get kept(): readonly Buffer[] {
    return this.#exchange.kept
  }

  get repeatable(): boolean {
    return this.#exchange.repeatable
  }

  bodySent(): void {}

  edit(response: ParsedResponse): void {
    this.#exchange.edit(response)
  }

  responding(status: number): void {
    this.#exchange.responding(status)
  }

  responseBytes(bytes: number): void {
    this.#exchange.responseBytes(bytes)
  }

  completed(): void {
    this.#exchange.completed()
  }

  truncated(): void {
    this.#exchange.truncated()
  }

  tunnelled(response: ParsedResponse, link: UpstreamLink): void {
    this.#exchange.tunnelled(response, link)
  }
}

function isOfGateway({ status }: AttemptOutcome): boolean {
  return status >= 502 && status <= 504
}
