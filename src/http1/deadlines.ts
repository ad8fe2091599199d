/** Coarseness of the time limits towards clients. */
const TICK_MS = 100

export const NEVER = Number.POSITIVE_INFINITY

/** Something with one time limit at a time: a connection. */
export interface Timed {
  /** On the clock of `Deadlines`; `NEVER` for none. */
  deadlineMs: number
  /** The limit passed. Must set another one or remove itself. */
  expired(): void
}

/**
 * One interval for all time limits, instead of a timer per request: setting a limit is one
 * assignment. Its clock stands still while the event loop does, so that a pause of the process
 * does not expire every connection at once.
 */
export class Deadlines {
  nowMs = 0
  readonly #tickMs: number
  readonly #timed = new Set<Timed>()
  readonly #interval: NodeJS.Timeout
  #lastMs = performance.now()

  /** `tickMs`: how coarse the limits are. */
  constructor(tickMs = TICK_MS) {
    this.#tickMs = tickMs
    this.#interval = setInterval(() => this.#tick(), tickMs)
    this.#interval.unref()
  }

  add(timed: Timed): void {
    this.#timed.add(timed)
  }

  delete(timed: Timed): void {
    this.#timed.delete(timed)
  }

  /** The deadline that passes at least `ms` and at most `ms` plus two ticks from now. */
  after(ms: number): number {
    return this.nowMs + ms + this.#tickMs
  }

  stop(): void {
    clearInterval(this.#interval)
  }

  #tick(): void {
    const lastMs = this.#lastMs
    this.#lastMs = performance.now()
    this.nowMs += Math.min(this.#lastMs - lastMs, 2 * this.#tickMs)
    for (const timed of this.#timed) {
      if (timed.deadlineMs <= this.nowMs) timed.expired()
    }
  }
}
