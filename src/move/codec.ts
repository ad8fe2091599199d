/** Messages of a move on the wire: u32 big-endian length, then msgpack. */
import { Packr } from 'msgpackr'
import { SECTION_BYTES_MAX } from '../worker/section.ts'
import type { ToSource, ToTarget } from './messages.ts'

/** A fence carries a small state and the sessions with what they have not acknowledged. */
const MESSAGE_BYTES_MAX = Math.max(2 * SECTION_BYTES_MAX, 256 * 1024 * 1024)

const packr = new Packr({ useRecords: false, copyBuffers: true })

export function encodeMessage(message: ToTarget | ToSource): Buffer {
  const body = packr.pack(message)
  const out = Buffer.allocUnsafe(4 + body.length)
  out.writeUInt32BE(body.length, 0)
  out.set(body, 4)
  return out
}

/** Splits a byte stream into messages. Throws on one that is too long or not one. */
export class MessageDecoder {
  #chunks: Buffer[] = []
  #bytes = 0

  push(chunk: Buffer): (ToTarget | ToSource)[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const messages: (ToTarget | ToSource)[] = []
    while (this.#bytes >= 4) {
      const length = this.#peekLength()
      if (length > MESSAGE_BYTES_MAX) throw new Error(`move message of ${length} bytes`)
      if (this.#bytes < 4 + length) break
      messages.push(this.#take(length))
    }
    return messages
  }

  #peekLength(): number {
    if (this.#chunks[0]!.length < 4) this.#join()
    return this.#chunks[0]!.readUInt32BE(0)
  }

  #take(length: number): ToTarget | ToSource {
    if (this.#chunks[0]!.length < 4 + length) this.#join()
    const buffer = this.#chunks[0]!
    const message = packr.unpack(buffer.subarray(4, 4 + length)) as ToTarget | ToSource
    if (typeof message?.type !== 'string') throw new Error('move message without a type')
    const rest = buffer.subarray(4 + length)
    this.#bytes -= 4 + length
    if (rest.length > 0) this.#chunks[0] = rest
    else this.#chunks.shift()
    return message
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks, this.#bytes)]
  }
}
