/** Lifeguard's local health: how much slower this member takes itself to be than the others. */
export class Awareness {
  readonly #scoreMax: number
  #score = 0

  /** `multiplierMax`: most times that a probe is stretched (Lifeguard, memberlist: 8). */
  constructor(multiplierMax: number) {
    this.#scoreMax = multiplierMax - 1
  }

  /** 0: healthy. */
  get score(): number {
    return this.#score
  }

  /** Worse by `delta` (a missed nack, an own refutation, a pause), or better when negative. */
  add(delta: number): void {
    this.#score = Math.min(this.#scoreMax, Math.max(0, this.#score + delta))
  }

  scale(durationMs: number): number {
    return durationMs * (this.#score + 1)
  }
}
