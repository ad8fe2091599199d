/**
 * How many requests may be sent again: a part of all there are, and a few always. A failure of
 * everything then adds that part to the load and no more, instead of multiplying it. After Finagle's
 * `RetryBudget` (a fifth of the requests of the last 10 s, and 10 a second).
 */
export interface RetryBudgetLimits {
  /** Retries for each request. */
  readonly ratio: number
  /** Retries a second that are always allowed. */
  readonly perSecond: number
}

/** Time constant with which what was not used is forgotten. */
const KEPT_MS = 10_000

export class RetryBudget {
  #limits: RetryBudgetLimits
  #retries: number
  #atMs: number

  constructor(limits: RetryBudgetLimits, nowMs: number) {
    this.#limits = limits
    this.#retries = this.#always
    this.#atMs = nowMs
  }

  setLimits(limits: RetryBudgetLimits): void {
    this.#limits = limits
  }

  /** A request came. */
  deposit(nowMs: number): void {
    this.#forget(nowMs)
    this.#retries += this.#limits.ratio
  }

  /** Whether one may be sent again; if so, it counts. */
  withdraw(nowMs: number): boolean {
    this.#forget(nowMs)
    if (this.#retries < 1) return false
    this.#retries -= 1
    return true
  }

  get #always(): number {
    return (this.#limits.perSecond * KEPT_MS) / 1_000
  }

  #forget(nowMs: number): void {
    const kept = Math.exp((this.#atMs - nowMs) / KEPT_MS)
    this.#retries = this.#always + (this.#retries - this.#always) * kept
    this.#atMs = nowMs
  }
}
