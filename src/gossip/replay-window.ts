const WORD_BITS = 32
/** 1,024 counters and the word that is being filled. */
const WORDS = 1_024 / WORD_BITS + 1

/** Which counters of one sender were seen, as far back as datagrams overtake each other (RFC 6479). */
export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS)
  #topWord = 0

  /** True the first time that `counter` is shown, false when it was shown before or is too old. */
  accept(counter: number): boolean {
    const word = Math.floor(counter / WORD_BITS)
    if (word + WORDS <= this.#topWord) return false
    if (word > this.#topWord) this.#advance(word)
    const slot = word % WORDS
    const bit = 1 << (counter % WORD_BITS)
    if ((this.#bits[slot]! & bit) !== 0) return false
    this.#bits[slot]! |= bit
    return true
  }

  #advance(word: number): void {
    const clear = Math.min(word - this.#topWord, WORDS)
    for (let i = 0; i < clear; i++) this.#bits[(word - i) % WORDS] = 0
    this.#topWord = word
  }
}
