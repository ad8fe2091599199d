import { AriesError } from '../errors.ts'
import { CR, LF } from './grammar.ts'

/**
 * Finds the end of a head in bytes that arrive piece by piece: each byte is looked at once,
 * however small the pieces are. Every line must end with CR LF; a bare LF is refused at once.
 */
export class HeadFinder {
  #lineStart = 0
  #searched = 0

  reset(): void {
    this.#lineStart = 0
    this.#searched = 0
  }

  /** Whether the first line is complete. */
  get hasLine(): boolean {
    return this.#lineStart > 0
  }

  /**
   * Offset behind the empty line, or -1 when it has not come yet. `buffer` begins where it began
   * at the last call and may have grown. Throws `ARIES_E_BAD_REQUEST`.
   */
  find(buffer: Buffer): number {
    for (;;) {
      // Lines are short: a search by the system costs more than this.
      let lf = this.#searched
      while (lf < buffer.length && buffer[lf] !== LF) lf++
      if (lf === buffer.length) {
        this.#searched = lf
        return -1
      }
      if (lf === 0 || buffer[lf - 1] !== CR) {
        throw new AriesError('ARIES_E_BAD_REQUEST', `a line of the head ends with a bare LF`)
      }
      const empty = lf - this.#lineStart === 1
      this.#lineStart = lf + 1
      this.#searched = lf + 1
      if (empty) return lf + 1
    }
  }
}
