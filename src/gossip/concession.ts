import { type Claim, compareStandings } from './claim.ts'

export interface Accusation {
  readonly claim: Claim
  readonly from: string
}

/**
 * Probe intervals that one waits whom the others hold for gone, from when it hears and is heard
 * again; twice as many each time that it happens again, up to the most.
 */
const HOLD = 30
const HOLD_MAX = 480
/** After so many intervals without another, concessions of before do not count any more. */
const FORGOTTEN_AFTER = 4 * HOLD_MAX

/**
 * What is said of us while we cannot be heard, and when we contradict it: a suspicion as soon as we
 * can, a verdict only after our link has held for a while, longer each time. So a link that comes and
 * goes (Rapid's flip-flop) costs the others one verdict, and not one each time. A process that is
 * started anew is another life, to which none of this applies.
 */
export class Concession {
  readonly #intervalMs: number
  #accusation: Accusation | undefined
  /** Verdicts that were conceded. */
  #count = 0
  #lastMs = Number.NEGATIVE_INFINITY
  #refuteAtMs = Number.POSITIVE_INFINITY

  constructor(init: { intervalMs: number }) {
    this.#intervalMs = init.intervalMs
  }

  note(accusation: Accusation, nowMs: number): void {
    const known = this.#accusation
    if (known && compareStandings(accusation.claim, known.claim) <= 0) return
    if (isVerdict(accusation) && !(known && isVerdict(known))) {
      const forgotten = nowMs - this.#lastMs > FORGOTTEN_AFTER * this.#intervalMs
      this.#count = forgotten ? 1 : this.#count + 1
      // What was planned was the answer to a suspicion.
      this.#refuteAtMs = Number.POSITIVE_INFINITY
    }
    this.#lastMs = nowMs
    this.#accusation = accusation
  }

  /** What to contradict now. */
  due(isolated: boolean, nowMs: number): Accusation | undefined {
    const accusation = this.#accusation
    if (!accusation) return undefined
    if (isolated) {
      this.#refuteAtMs = Number.POSITIVE_INFINITY
      return undefined
    }
    if (this.#refuteAtMs === Number.POSITIVE_INFINITY) {
      this.#refuteAtMs = nowMs + (isVerdict(accusation) ? this.#holdMs() : 0)
    }
    if (this.#refuteAtMs > nowMs) return undefined
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

  #holdMs(): number {
    return this.#intervalMs * Math.min(HOLD_MAX, HOLD * 2 ** (this.#count - 1))
  }
}

function isVerdict({ claim }: Accusation): boolean {
  return claim.state === 'unreachable'
}
