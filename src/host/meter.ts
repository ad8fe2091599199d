import type { Clock } from '../world.ts'

/** Figures are means over about this time: long enough that a burst each second reads as steady. */
const MEAN_MS = 3_000

/** What one worker uses: turns, and time of its host's event loop. */
export class WorkerMeter {
  turns = 0
  requestsPerSecond = 0
  /** Part of one core. */
  cpuShare = 0
  readonly openedMs: number
  readonly #clock: Clock
  #busyMs = 0
  #lastTurns = 0
  #lastBusyMs = 0
  #lastMs: number
  #sampled = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.openedMs = clock.nowMs()
    this.#lastMs = this.openedMs
  }

  /** The synchronous part of a turn that began at `startedMs` is over. */
  ran(startedMs: number): void {
    this.#busyMs += this.#clock.nowMs() - startedMs
  }

  /** Takes the figures since the last time. */
  sample(): void {
    const nowMs = this.#clock.nowMs()
    // What was idle for long is taken as busy for as long as the mean looks back.
    const elapsedMs = Math.min(MEAN_MS, Math.max(1, nowMs - this.#lastMs))
    this.#lastMs = nowMs
    // The first sample counts in full: there is nothing before it to mix it with.
    const weight = this.#sampled ? 1 - Math.exp(-elapsedMs / MEAN_MS) : 1
    this.#sampled = true
    const perSecond = ((this.turns - this.#lastTurns) * 1_000) / elapsedMs
    const share = (this.#busyMs - this.#lastBusyMs) / elapsedMs
    this.requestsPerSecond += (perSecond - this.requestsPerSecond) * weight
    this.cpuShare += (share - this.cpuShare) * weight
    this.#lastTurns = this.turns
    this.#lastBusyMs = this.#busyMs
  }

  /** It has done nothing for longer than the means look back. */
  settle(): void {
    this.sample()
    this.requestsPerSecond = 0
    this.cpuShare = 0
  }
}
