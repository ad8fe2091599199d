import { type Claim, compareStandings } from './claim.ts'
import type { Reach } from './reach.ts'

export interface Accusation {
  readonly claim: Claim
  readonly from: string
}

/** How our link is: see `Reach`. */
export type Link = Pick<Reach, 'isolated' | 'isAnswered'>

/**
 * Probe intervals that one waits whom the others hold for gone, from when it hears and is heard
 * again; twice as many each time that it happens again, up to the most.
 */
const HOLD = 25
const HOLD_MAX = 120
/** After so many intervals without another, concessions of before do not count any more. */
const FORGOTTEN_AFTER = 8 * HOLD_MAX

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
  #wasIsolated = false
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

  /**
   * What to contradict now. Who is isolated and has an answer from somebody all the same may be one
   * of the last of a cluster that is dead: after the longest wait it contradicts too.
   */
  due({ isolated, isAnswered }: Link, nowMs: number): Accusation | undefined {
    const accusation = this.#accusation
    if (!accusation) return undefined
    const isCut = isolated && !isAnswered
    if (isCut || isolated !== this.#wasIsolated) this.#refuteAtMs = Number.POSITIVE_INFINITY
    this.#wasIsolated = isolated
    if (isCut) return undefined
    if (this.#refuteAtMs === Number.POSITIVE_INFINITY) {
      this.#refuteAtMs = nowMs + this.#waitMs(accusation, isolated)
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

  #waitMs(accusation: Accusation, isolated: boolean): number {
    if (isolated) return this.#intervalMs * HOLD_MAX
    if (!isVerdict(accusation)) return 0
    return this.#intervalMs * Math.min(HOLD_MAX, HOLD * 2 ** (this.#count - 1))
  }
}

function isVerdict({ claim }: Accusation): boolean {
  return claim.state === 'unreachable'
}
