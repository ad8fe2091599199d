/** When the requests of a route get a second attempt: after a time, or when most were answered. */
import type { z } from 'zod'
import type { hedgeSchema } from '../config/schema/route-terms.ts'
import type { RouteMeter } from './meters.ts'
import type { ShardStats } from './metrics.ts'
import type { Hedging, Late } from './plan.ts'

/** Answers until the quantile means something. */
const ANSWERS_MIN = 20
/** Part by which one answer moves the estimate of the quantile, times its distance from 0 or 1. */
const STEP = 0.05

/** One timer for all requests of the route: they come due in the order in which they came. */
export class RouteHedging implements Hedging {
  readonly #stats: ShardStats
  readonly #meter: RouteMeter
  readonly #afterMs: number | undefined
  readonly #quantile: number
  readonly #due = new Map<Late, number>()
  #timer: NodeJS.Timeout | undefined
  #answers = 0
  #quantileMs = 0

  /** `meter`: of the route. */
  constructor(
    components: { readonly stats: ShardStats; readonly meter: RouteMeter },
    config: z.output<typeof hedgeSchema>,
  ) {
    this.#stats = components.stats
    this.#meter = components.meter
    this.#afterMs = config.afterMs
    this.#quantile = config.quantile
  }

  /** After which time an answer is late. */
  get delayMs(): number {
    if (this.#afterMs !== undefined) return this.#afterMs
    return this.#answers < ANSWERS_MIN ? Number.POSITIVE_INFINITY : Math.max(1, this.#quantileMs)
  }

  wait(late: Late): void {
    const { delayMs } = this
    if (delayMs === Number.POSITIVE_INFINITY) return
    this.#due.set(late, performance.now() + delayMs)
    if (this.#timer === undefined) this.#timer = this.#look(delayMs)
  }

  cancel(late: Late): void {
    this.#due.delete(late)
  }

  began(): void {
    this.#stats.hedges.made += 1
    this.#meter.hedged()
  }

  answered(ms: number, bySecond: boolean): void {
    if (bySecond) {
      this.#stats.hedges.won += 1
      this.#meter.hedgeWon()
    }
    this.#answers += 1
    if (this.#answers <= ANSWERS_MIN) this.#quantileMs = Math.max(this.#quantileMs, ms)
    else {
      const pull = ms > this.#quantileMs ? this.#quantile : this.#quantile - 1
      this.#quantileMs *= 1 + STEP * pull
    }
  }

  #look(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined
      const nowMs = performance.now()
      for (const [late, dueMs] of this.#due) {
        if (dueMs > nowMs) {
          this.#timer = this.#look(dueMs - nowMs)
          return
        }
        this.#due.delete(late)
        late.late()
      }
    }, Math.ceil(ms))
  }
}
