import { type Claim, compareStandings } from './claim.ts'

export interface Accusation {
  readonly claim: Claim
  readonly from: string
}

/** Most intervals of probes that a refutation waits, however often it was put off. */
const WAIT_MAX = 63
/** After so many intervals without another, concessions of before do not count any more. */
const FORGOTTEN_AFTER = 20 * WAIT_MAX

/**
 * What is said of us while we cannot be heard, and when we contradict it: as soon as we can again
 * the first time, later from time to time. A link that comes and goes (Rapid's flip-flop) so costs
 * the others one verdict, and not one each time.
 */
export class Concession {
  readonly #intervalMs: number
  #accusation: Accusation | undefined
  #count = 0
  #lastMs = Number.NEGATIVE_INFINITY
  #refuteAtMs = Number.POSITIVE_INFINITY

  constructor(init: { intervalMs: number }) {
    this.#intervalMs = init.intervalMs
  }

  note(accusation: Accusation, nowMs: number): void {
    const known = this.#accusation
    if (!known) {
      const forgotten = nowMs - this.#lastMs > FORGOTTEN_AFTER * this.#intervalMs
      this.#count = forgotten ? 1 : this.#count + 1
    }
    this.#lastMs = nowMs
    if (!known || compareStandings(accusation.claim, known.claim) > 0) this.#accusation = accusation
  }

  /** What to contradict now. */
  due(isolated: boolean, nowMs: number): Accusation | undefined {
    if (!this.#accusation) return undefined
    if (isolated) {
      this.#refuteAtMs = Number.POSITIVE_INFINITY
      return undefined
    }
    if (this.#refuteAtMs === Number.POSITIVE_INFINITY) this.#refuteAtMs = nowMs + this.#waitMs()
    if (this.#refuteAtMs > nowMs) return undefined
    const accusation = this.#accusation
    this.#accusation = undefined
    this.#refuteAtMs = Number.POSITIVE_INFINITY
    return accusation
  }

  /** True while something is conceded: what else is said is added to it. */
  get isOpen(): boolean {
    return this.#accusation !== undefined
  }

  get nextDeadlineMs(): number {
    return this.#refuteAtMs
  }

  #waitMs(): number {
    return this.#intervalMs * Math.min(WAIT_MAX, 2 ** (this.#count - 1) - 1)
  }
}
