/**
 * The choice of a node for one request, as a front's shard makes it many thousand times a second:
 * `choose.ts` on the prices of `request-prices.ts`, without an allocation.
 *
 * What a shard knows better than the news is its own requests: those sent since the news count on
 * top of it, those finished since count off.
 */
import type { Random } from '../world.ts'
import type { RequestPrices } from './request-prices.ts'

/** Largest exponent: e^300 times any slope is finite. */
const EXPONENT_MAX = 300

export class RequestChooser {
  /** Own requests in flight per slot. */
  readonly inFlight: Int32Array
  readonly #prices: RequestPrices
  readonly #random: Random
  readonly #drawn: Int32Array
  /** News that `#atNews` belongs to, and own requests in flight when it was first seen. */
  readonly #seenNews: Int32Array
  readonly #atNews: Int32Array

  /** `sample`: how many random candidates are compared. */
  constructor(prices: RequestPrices, init: { readonly random: Random; readonly sample: number }) {
    this.#prices = prices
    this.#random = init.random
    this.#drawn = new Int32Array(init.sample)
    this.inFlight = new Int32Array(prices.capacity)
    this.#seenNews = new Int32Array(prices.capacity)
    this.#atNews = new Int32Array(prices.capacity)
  }

  /** The slot to send the next request to, -1 when none is open. `avoid`: slots already tried. */
  choose(avoid?: ReadonlySet<number>): number {
    const count = this.#prices.openCount
    if (avoid !== undefined && avoid.size > 0) return this.#chooseAvoiding(avoid, count)
    const take = Math.min(this.#drawn.length, count)
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < take; i++) {
      const slot = this.#draw(i, take, count)
      const cost = this.marginal(slot)
      if (best < 0 || cost < least) {
        best = slot
        least = cost
      }
    }
    return best
  }

  /** A request goes to `slot`. */
  sent(slot: number): void {
    this.inFlight[slot]! += 1
  }

  /** A request that was `sent` there has ended, however. */
  done(slot: number): void {
    this.inFlight[slot]! -= 1
  }

  /** What one more request would add at `slot`. */
  marginal(slot: number): number {
    const prices = this.#prices
    const news = prices.news[slot]!
    const own = this.inFlight[slot]!
    if (this.#seenNews[slot] !== news) {
      this.#seenNews[slot] = news
      this.#atNews[slot] = own
    }
    const more = own - this.#atNews[slot]!
    return (
      prices.base[slot]! +
      prices.cpuSlope[slot]! * Math.exp(Math.min(EXPONENT_MAX, prices.cpuGrowth[slot]! * more)) +
      prices.requestSlope[slot]! *
        Math.exp(Math.min(EXPONENT_MAX, prices.requestGrowth[slot]! * more))
    )
  }

  /** The `i`-th of `take` distinct random slots; all of them, from a random one on, when few. */
  #draw(i: number, take: number, count: number): number {
    const drawn = this.#drawn
    if (take === count) {
      drawn[i] = i === 0 ? this.#below(count) : (drawn[i - 1]! + 1) % count
      return this.#prices.open[drawn[i]!]!
    }
    let at = this.#below(count)
    while (drawn.indexOf(at) !== -1 && drawn.indexOf(at) < i) at = this.#below(count)
    drawn[i] = at
    return this.#prices.open[at]!
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count)
  }

  /** After a failure: the cheapest of all that were not tried; seldom enough to look at each. */
  #chooseAvoiding(avoid: ReadonlySet<number>, count: number): number {
    let best = -1
    let least = Number.POSITIVE_INFINITY
    const first = this.#below(count)
    for (let i = 0; i < count; i++) {
      const slot = this.#prices.open[(first + i) % count]!
      if (avoid.has(slot)) continue
      const cost = this.marginal(slot)
      if (best < 0 || cost < least) {
        best = slot
        least = cost
      }
    }
    return best
  }
}
