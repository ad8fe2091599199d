import type { Clock, TimerHandle } from '../../src/world.ts'

export interface BackendInit {
  /** Requests served at a time; more wait in line. */
  readonly threads: number
  /** Work done per millisecond in each thread while no antagonist shares the machine. */
  readonly speed: number
}

interface Job {
  /** `Backend.#done` at which it is complete. */
  readonly endsAt: number
  readonly end: () => void
}

/** Latencies kept for each number of requests found on arrival, and the highest such number. */
const KEPT = 9
const FOUND_MAX = 512

/**
 * A server with simulated service times: `threads` requests at a time, the others first come first
 * served. An antagonist slows all threads alike, also what runs already. It uses no CPU of its own:
 * its clock is virtual time in the simulator, and timers in a real server.
 */
export class Backend {
  /** Answers with an error after this long instead of working; undefined: it works. */
  failsAfterMs: number | undefined
  /** Served and waiting. */
  requests = 0
  readonly #clock: Clock
  readonly #threads: number
  readonly #baseSpeed: number
  #speed: number
  /** Work that a thread that never rested would have done until `#atMs`. */
  #done = 0
  #atMs: number
  readonly #running: Job[] = []
  readonly #waiting: { work: number; end: () => void }[] = []
  #next = 0
  #timer: TimerHandle | undefined
  readonly #latencies: (number[] | undefined)[] = []

  constructor(clock: Clock, init: BackendInit) {
    this.#clock = clock
    this.#threads = init.threads
    this.#baseSpeed = init.speed
    this.#speed = init.speed
    this.#atMs = clock.nowMs()
  }

  /** Work that a thread does per millisecond now. */
  get speed(): number {
    return this.#speed
  }

  /** Part of the speed that antagonists leave, from now on. */
  setShare(share: number): void {
    this.#advance()
    this.#speed = this.#baseSpeed * share
    this.#arm()
  }

  /** `work`: milliseconds that it takes at speed 1. `ended`: whether it failed. */
  serve(work: number, ended: (failed: boolean) => void): void {
    if (this.failsAfterMs !== undefined) {
      this.#clock.after(this.failsAfterMs, () => ended(true))
      return
    }
    const cameMs = this.#clock.nowMs()
    const found = Math.min(FOUND_MAX, this.requests)
    this.requests++
    const end = (): void => {
      this.requests--
      this.#remember(found, this.#clock.nowMs() - cameMs)
      ended(false)
    }
    if (this.#running.length < this.#threads) this.#start(work, end)
    else {
      this.#waiting.push({ work, end })
      return
    }
    this.#arm()
  }

  /**
   * Median of the latest latencies of requests that found about as many as there are now: the
   * latency that Prequal's probes ask for. 0 while there were none.
   */
  latencyNow(): number {
    for (let away = 0; away <= FOUND_MAX; away++) {
      const below = this.#latencies[this.requests - away]
      const kept = below ?? this.#latencies[this.requests + away]
      if (kept !== undefined) return kept.toSorted((a, b) => a - b)[kept.length >> 1]!
    }
    return 0
  }

  #start(work: number, end: () => void): void {
    this.#advance()
    const endsAt = this.#done + work
    let at = this.#running.length
    while (at > 0 && this.#running[at - 1]!.endsAt > endsAt) at--
    this.#running.splice(at, 0, { endsAt, end })
  }

  #advance(): void {
    const nowMs = this.#clock.nowMs()
    this.#done += (nowMs - this.#atMs) * this.#speed
    this.#atMs = nowMs
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#advance()
    const first = this.#running[0]
    if (first === undefined) return
    this.#timer = this.#clock.after(Math.max(0, first.endsAt - this.#done) / this.#speed, () =>
      this.#look(),
    )
  }

  #look(): void {
    this.#timer = undefined
    this.#advance()
    const ended: Job[] = []
    // A timer may come a hair early by rounding.
    while (this.#running.length > 0 && this.#running[0]!.endsAt <= this.#done + 1e-6) {
      ended.push(this.#running.shift()!)
      const next = this.#waiting[this.#next]
      if (next === undefined) continue
      this.#next++
      if (this.#next > 1_000) {
        this.#waiting.splice(0, this.#next)
        this.#next = 0
      }
      this.#start(next.work, next.end)
    }
    this.#arm()
    for (const { end } of ended) end()
  }

  #remember(found: number, ms: number): void {
    this.#latencies[found] ??= []
    const kept = this.#latencies[found]
    kept.push(ms)
    if (kept.length > KEPT) kept.shift()
  }
}
