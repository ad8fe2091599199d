/**
 * The choice of a target for one request, as a front's shard makes it many thousand times a second:
 * the cheapest of a random few, by what the shard has learned of them (`target-loads.ts`) and, for
 * nodes, by the prices on the board (`request-prices.ts`). Without an allocation.
 *
 * A cost is reckoned when something happens at its target, and at each choice for a few targets in
 * turn, because costs change with time alone, too; to compare is to read.
 */
import type { Random } from '../world.ts'
import type { RequestPrices } from './request-prices.ts'
import { TargetLoads } from './target-loads.ts'

/** Largest exponent: e^300 times any slope is finite. */
const EXPONENT_MAX = 300
/** Requests for each that a target serves at a time, from which on it is full. */
const QUEUED_PER_THREAD = 64

/** Targets whose cost is reckoned anew at each choice, in turn. */
const RECKONED = 2
const IN_FLIGHT_ANY = 0x7fffffff
/** Cost of a target that is full: only others are chosen. */
const FULL_COST = Number.POSITIVE_INFINITY

/** No target is open, or every one was tried. */
export const NO_TARGET = -1
/** There are targets, but they are full: the request had better wait. */
export const FULL = -2

/** What becomes of targets that are not healthy. */
export type OfIll = typeof ILL_LAST | typeof ILL_NEVER | typeof ILL_TOO
/** Chosen when there is no healthy one. */
export const ILL_LAST = 0
export const ILL_NEVER = 1
/** Like the others: most are ill, so the checks may be wrong, and the few would not bear it. */
export const ILL_TOO = 2

export interface RequestChooserLimits {
  /** How many random targets are compared. */
  readonly candidates: number
  /** Own requests in flight at one target, from which on it is full. */
  readonly inFlightMax: number
  /** Milliseconds until a newcomer gets its whole share. */
  readonly slowStartMs: number
}

export interface RequestChooserComponents {
  readonly random: Random
  /** Prices of the nodes by slot; without them all are worth the same. */
  readonly prices?: RequestPrices
}

export class RequestChooser {
  readonly loads: TargetLoads
  readonly #random: Random
  readonly #prices: RequestPrices | undefined
  #limits: RequestChooserLimits
  readonly #costs: Float64Array
  #reckonNext = 0
  /** 1: not to be chosen while there are others. */
  readonly #unhealthy: Uint8Array
  /** Raised when the health of a target changes, or which there are. */
  healthEpoch = 0
  /** Own requests in flight from which on that target is full, below the limit of all. */
  readonly #inFlightMax: Int32Array
  /** News that `#atNews` belongs to, and own requests in flight when it was first seen. */
  readonly #seenNews: Int32Array
  readonly #atNews: Int32Array
  /** Slots that are compared are added to it, when it is there: for whoever explains a choice. */
  watched: number[] | undefined

  /** `capacity`: how many slots there are. */
  constructor(
    components: RequestChooserComponents,
    init: { readonly capacity: number },
    limits: RequestChooserLimits,
  ) {
    this.#random = components.random
    this.#prices = components.prices
    this.#limits = limits
    this.loads = new TargetLoads(init.capacity)
    this.#costs = new Float64Array(init.capacity)
    this.#unhealthy = new Uint8Array(init.capacity)
    this.#inFlightMax = new Int32Array(init.capacity).fill(IN_FLIGHT_ANY)
    this.#seenNews = new Int32Array(init.capacity)
    this.#atNews = new Int32Array(init.capacity)
  }

  setLimits(limits: RequestChooserLimits): void {
    this.#limits = limits
  }

  setHealthy(slot: number, healthy: boolean): void {
    this.#unhealthy[slot] = healthy ? 0 : 1
    this.healthEpoch += 1
  }

  /** A limit for one target; undefined: that of all. */
  setInFlightMax(slot: number, inFlightMax: number | undefined): void {
    this.#inFlightMax[slot] = inFlightMax ?? IN_FLIGHT_ANY
  }

  isHealthy(slot: number): boolean {
    return this.#unhealthy[slot] === 0
  }

  /**
   * The slot among the first `count` of `open` to send the next request to; `NO_TARGET` or `FULL`
   * when there is none. `avoid`: slots already tried.
   *
   * Healthy ones before the others (`ofIll`): when no healthy one is left, those that checks have
   * found ill may do (panic): the checks may be wrong, and a request that fails there would have
   * failed here.
   */
  choose(
    open: Int32Array,
    count: number,
    nowMs: number,
    avoid?: ReadonlySet<number>,
    ofIll: OfIll = ILL_LAST,
  ): number {
    this.#reckonSome(open, count, nowMs)
    const costs = this.#costs
    const random = this.#random
    const take = Math.min(this.#limits.candidates, count)
    let best = NO_TARGET
    let least = FULL_COST
    let at = Math.floor(random.next() * count)
    const step = take === count ? 1 : stepFor(count, random)
    for (let i = 0; i < take; i++, at += step) {
      if (at >= count) at -= count
      const slot = open[at]!
      if (this.#prices !== undefined && this.#prices.news[slot] !== this.#seenNews[slot]) {
        this.#reckon(slot, nowMs)
      }
      this.watched?.push(slot)
      if (costs[slot]! >= least) continue
      if (this.#unhealthy[slot] === 1 && ofIll !== ILL_TOO) continue
      if (avoid?.has(slot) === true || !this.#takesPart(slot, nowMs)) continue
      best = slot
      least = costs[slot]!
    }
    return best < 0 ? this.#chooseAny(open, count, nowMs, avoid, ofIll) : best
  }

  /** A request goes there; returns how many it finds there, itself included: `answered` asks for it. */
  sent(slot: number, nowMs: number): number {
    const found = this.loads.sent(slot, nowMs)
    this.#reckon(slot, nowMs)
    return found
  }

  /** It was answered; `found`: what `sent` returned. */
  answered(slot: number, sentMs: number, nowMs: number, found: number): void {
    this.loads.answered(slot, sentMs, nowMs, found)
    this.#reckon(slot, nowMs)
  }

  /** It failed, or was refused. */
  failed(slot: number, sentMs: number, nowMs: number): void {
    this.loads.failed(slot, sentMs, nowMs)
    this.#reckon(slot, nowMs)
  }

  /** Its client did not wait for the answer. */
  forsaken(slot: number, sentMs: number, nowMs: number, found: number): void {
    this.loads.forsaken(slot, sentMs, nowMs, found)
    this.#reckon(slot, nowMs)
  }

  /** The target told how many requests it has, and how many it serves at a time. */
  told(slot: number, requests: number, threads: number, nowMs: number): void {
    this.loads.told(slot, requests, threads, nowMs)
  }

  /** Nothing of the request is in flight any more. */
  done(slot: number, nowMs: number): void {
    this.loads.done(slot)
    this.#reckon(slot, nowMs)
  }

  /** A newcomer has the slot from now on, or the same target after it was away. */
  renew(slot: number): void {
    this.loads.renew(slot)
  }

  /** What one more request would cost at `slot`. */
  cost(slot: number, nowMs: number): number {
    const latency = this.loads.cost(slot, nowMs)
    return this.#prices === undefined ? latency : latency * this.marginal(slot, this.#prices)
  }

  /** What one more request would add to the cost of the machine, by the board. */
  marginal(slot: number, prices: RequestPrices): number {
    const news = prices.news[slot]!
    const own = this.loads.inFlight[slot]!
    if (this.#seenNews[slot] !== news) {
      this.#seenNews[slot] = news
      this.#atNews[slot] = own
    }
    const more = own - this.#atNews[slot]!
    return (
      prices.base[slot]! +
      prices.cpuSlope[slot]! * grown(prices.cpuGrowth[slot]! * more) +
      prices.requestSlope[slot]! * grown(prices.requestGrowth[slot]! * more)
    )
  }

  /** Whether the next request for it had better wait. */
  isFull(slot: number, nowMs: number): boolean {
    const { loads } = this
    const own = loads.inFlight[slot]!
    if (own === 0) return false
    if (own >= this.#limits.inFlightMax || own >= this.#inFlightMax[slot]!) return true
    const threads = loads.threads[slot]!
    return threads > 0 && loads.requests(slot, nowMs) >= QUEUED_PER_THREAD * threads
  }

  /** A newcomer takes part now and then, more often as it gets older. */
  #takesPart(slot: number, nowMs: number): boolean {
    const share = this.loads.share(slot, nowMs, this.#limits.slowStartMs)
    return share === 1 || this.#random.next() < share
  }

  #reckonSome(open: Int32Array, count: number, nowMs: number): void {
    for (let i = 0; i < RECKONED && i < count; i++) {
      this.#reckonNext = this.#reckonNext + 1 < count ? this.#reckonNext + 1 : 0
      this.#reckon(open[this.#reckonNext]!, nowMs)
    }
  }

  #reckon(slot: number, nowMs: number): void {
    this.#costs[slot] = this.isFull(slot, nowMs) ? FULL_COST : this.cost(slot, nowMs)
  }

  /** Among all, for none of those drawn would do; seldom enough to look at each. */
  #chooseAny(
    open: Int32Array,
    count: number,
    nowMs: number,
    avoid: ReadonlySet<number> | undefined,
    ofIll: OfIll,
  ): number {
    let found = NO_TARGET
    const last = ofIll === ILL_NEVER ? 0 : 1
    for (let unhealthy = 0; unhealthy <= last; unhealthy++) {
      let best = NO_TARGET
      let least = Number.POSITIVE_INFINITY
      const first = Math.floor(this.#random.next() * count)
      for (let i = 0; i < count; i++) {
        const slot = open[(first + i) % count]!
        if (this.#unhealthy[slot] !== unhealthy || avoid?.has(slot) === true) continue
        found = FULL
        this.watched?.push(slot)
        if (this.isFull(slot, nowMs)) continue
        const cost = this.cost(slot, nowMs)
        if (best >= 0 && cost >= least) continue
        best = slot
        least = cost
      }
      if (best >= 0) return best
      // Full is better than ill.
      if (found === FULL) return FULL
    }
    return found
  }
}

/** Distances between the targets drawn: primes, for with a divisor of their number few are reached. */
const STEPS = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67]

function stepFor(count: number, random: Random): number {
  const step = STEPS[Math.floor(random.next() * STEPS.length)]!
  return step < count && count % step !== 0 ? step : 1
}

function grown(exponent: number): number {
  return exponent === 0 ? 1 : Math.exp(Math.min(EXPONENT_MAX, exponent))
}
