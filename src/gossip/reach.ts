/** Members whose last probe is remembered. */
const PROBED_MAX = 10
/** Isolated with more than this part of them silent, until it is at most the other. */
const ISOLATED_ABOVE = 1 / 2
const JOINED_AT = 1 / 4

/**
 * Whether it is us that the others cannot hear: of the last ten members probed, or of all when they
 * are fewer, how many did not answer themselves. Hearing somebody proves nothing here: one direction may be cut, and an answer needs
 * both. A member that is dead to others too is taken out, so that deaths are not our isolation.
 */
export class Reach {
  /** Silent to its last probe, by member; the one probed last stands last. */
  readonly #silent = new Map<string, boolean>()
  readonly #others: () => number
  #isolated = false

  /** `others`: how many members there are besides us, as far as is known. */
  constructor(init: { others: () => number }) {
    this.#others = init.others
  }

  /** Most of those that we probe do not answer: nobody is accused by us any more. */
  get isolated(): boolean {
    return this.#isolated
  }

  /** Somebody has answered the last probe. */
  get isAnswered(): boolean {
    for (const silent of this.#silent.values()) if (!silent) return true
    return false
  }

  answered(id: string): void {
    this.#note(id, false)
  }

  missed(id: string): void {
    this.#note(id, true)
  }

  /** It is gone, and not only to us. */
  forget(id: string): void {
    if (this.#silent.delete(id)) this.#judge()
  }

  /** After a pause of our own the silence of others was ours. */
  reset(): void {
    for (const id of this.#silent.keys()) this.#silent.set(id, false)
    this.#isolated = false
  }

  #note(id: string, silent: boolean): void {
    this.#silent.delete(id)
    this.#silent.set(id, silent)
    if (this.#silent.size > PROBED_MAX) {
      const [oldest] = this.#silent.keys()
      this.#silent.delete(oldest!)
    }
    this.#judge()
  }

  #judge(): void {
    let silent = 0
    for (const one of this.#silent.values()) if (one) silent++
    const of = Math.min(PROBED_MAX, this.#others())
    if (silent > ISOLATED_ABOVE * of) this.#isolated = true
    else if (silent <= JOINED_AT * of) this.#isolated = false
  }
}
