import { ChunkDecoder } from './chunk-decoder.ts'

const NONE = 0
const LENGTH = 1
const CHUNKED = 2
const UNTIL_CLOSE = 3

/** Takes a message body out of a byte stream, by whichever framing its head gave. */
export class BodyReader {
  #mode = NONE
  #left = 0
  #decoder: ChunkDecoder | undefined
  ended = true

  none(): void {
    this.#mode = NONE
    this.ended = true
  }

  length(bytes: number): void {
    this.#mode = LENGTH
    this.#left = bytes
    this.ended = bytes === 0
  }

  chunked(): void {
    this.#mode = CHUNKED
    this.#decoder ??= new ChunkDecoder()
    this.#decoder.reset()
    this.ended = false
  }

  untilClose(): void {
    this.#mode = UNTIL_CLOSE
    this.ended = false
  }

  /** The connection ended: whether that is a proper end of this body. */
  close(): boolean {
    if (this.#mode === UNTIL_CLOSE) this.ended = true
    return this.ended
  }

  get trailers(): string {
    return this.#mode === CHUNKED ? this.#decoder!.trailers : ''
  }

  /**
   * Hands the body's pieces in `buffer` from `at` to `data`; returns the offset behind them.
   * Sets `ended` with the last byte. Throws `ARIES_E_BAD_REQUEST` on bad chunks.
   */
  read(buffer: Buffer, at: number, data: (piece: Buffer) => void): number {
    if (this.ended) return at
    if (this.#mode === CHUNKED) {
      const next = this.#decoder!.decode(buffer, at, data)
      this.ended = this.#decoder!.ended
      return next
    }
    const end = this.#mode === LENGTH ? Math.min(buffer.length, at + this.#left) : buffer.length
    this.#left -= end - at
    if (this.#mode === LENGTH && this.#left === 0) this.ended = true
    if (end > at) data(at === 0 && end === buffer.length ? buffer : buffer.subarray(at, end))
    return end
  }
}
