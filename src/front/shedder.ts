import type { Priority } from '../config/schema/traffic.ts'
import type { Random } from '../world.ts'

const TICK_MS = 100
/** How much the newest lateness counts: a pause of the garbage collector is no overload. */
const WEIGHT = 0.2
/** Lateness, in `lagMs`, at which the first of a priority are refused, and at which all are. */
const BOUNDS: Readonly<Record<Priority, readonly [number, number]>> = {
  low: [1, 2],
  normal: [2, 4],
  high: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
}

/**
 * Refuses requests while the event loop of the shard is late: what it cannot do in time it had better
 * not begin. By chance, and more of them the later it is, so that it does not swing.
 */
export class Shedder {
  readonly #random: Random
  #lagMsMax: number
  #lagMs = 0
  #dueMs = 0
  #ticking: NodeJS.Timeout | undefined

  /** `lagMsMax`: mean lateness from which on low priorities are refused. */
  constructor(random: Random, lagMsMax: number) {
    this.#random = random
    this.#lagMsMax = lagMsMax
  }

  start(): void {
    this.#dueMs = performance.now() + TICK_MS
    this.#ticking = setInterval(() => {
      const nowMs = performance.now()
      this.noteLag(Math.max(0, nowMs - this.#dueMs))
      this.#dueMs = nowMs + TICK_MS
    }, TICK_MS)
    this.#ticking.unref()
  }

  stop(): void {
    clearInterval(this.#ticking)
  }

  setLagMax(lagMsMax: number): void {
    this.#lagMsMax = lagMsMax
  }

  get lagMs(): number {
    return this.#lagMs
  }

  noteLag(ms: number): void {
    this.#lagMs += WEIGHT * (ms - this.#lagMs)
  }

  refuses(priority: Priority): boolean {
    if (this.#lagMs < this.#lagMsMax) return false
    const [from, to] = BOUNDS[priority]
    const late = this.#lagMs / this.#lagMsMax
    return late > from && this.#random.next() < (late - from) / (to - from)
  }
}
