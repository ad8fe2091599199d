import type { Duplex } from 'node:stream'
import { COPY_BYTES_MAX } from './limits.ts'

/**
 * Collects what one turn of the event loop writes to a connection, so that a head, a small body
 * and its framing leave in one system call. Large pieces are not copied.
 */
export class Outbox {
  readonly #stream: Duplex
  #text = ''
  #corked = false
  bytes = 0

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  /** `text` holds bytes (latin1). */
  text(text: string): void {
    this.bytes += text.length
    this.#text += text
  }

  piece(piece: Buffer): void {
    if (piece.length <= COPY_BYTES_MAX) {
      this.text(piece.toString('latin1'))
      return
    }
    this.bytes += piece.length
    if (!this.#corked) {
      this.#corked = true
      this.#stream.cork()
    }
    this.#flushText()
    this.#stream.write(piece)
  }

  /** Hands everything to the stream; false when the stream wants a pause until `drain`. */
  flush(): boolean {
    this.#flushText()
    if (this.#corked) {
      this.#corked = false
      this.#stream.uncork()
    }
    return !this.#stream.writableNeedDrain
  }

  #flushText(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#stream.write(text, 'latin1')
  }
}

/** Writes one piece of a body, in chunked coding if it has to be. */
export function writePiece(out: Outbox, piece: Buffer, chunked: boolean): void {
  if (!chunked) {
    out.piece(piece)
    return
  }
  out.text(`${piece.length.toString(16)}\r\n`)
  out.piece(piece)
  out.text('\r\n')
}
