/** Coarseness of every time limit of the engine. */
export const TICK_MS = 100

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
  readonly #timed = new Set<Timed>()
  readonly #interval: NodeJS.Timeout
  #lastMs = performance.now()

  constructor() {
    this.#interval = setInterval(() => this.#tick(), TICK_MS)
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
    return this.nowMs + ms + TICK_MS
  }

  stop(): void {
    clearInterval(this.#interval)
  }

  #tick(): void {
    const lastMs = this.#lastMs
    this.#lastMs = performance.now()
    this.nowMs += Math.min(this.#lastMs - lastMs, 2 * TICK_MS)
    for (const timed of this.#timed) {
      if (timed.deadlineMs <= this.nowMs) timed.expired()
    }
  }
}
