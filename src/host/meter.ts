import type { Clock } from '../world.ts'

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

  constructor(clock: Clock) {
    this.#clock = clock
    this.openedMs = clock.nowMs()
  }

  /** The synchronous part of a turn that began at `startedMs` is over. */
  ran(startedMs: number): void {
    this.#busyMs += this.#clock.nowMs() - startedMs
  }

  /** Takes the figures of the last `elapsedMs`. */
  sample(elapsedMs: number): void {
    this.requestsPerSecond = ((this.turns - this.#lastTurns) * 1_000) / elapsedMs
    this.cpuShare = (this.#busyMs - this.#lastBusyMs) / elapsedMs
    this.#lastTurns = this.turns
    this.#lastBusyMs = this.#busyMs
  }
}
