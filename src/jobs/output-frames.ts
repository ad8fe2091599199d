/**
 * What a job prints, as it is kept and sent: frames of one byte (which stream), four bytes (length,
 * big-endian) and the text. One sequence for both streams, so that their order is kept.
 */

/** `gap`: so many bytes of frames, in eight bytes, are no longer kept. */
export const STREAM = { gap: 0, out: 1, err: 2 } as const
export type Stream = (typeof STREAM)[keyof typeof STREAM]

export const FRAME_BYTES_MAX = 65_536
const HEAD_BYTES = 5
const GAP_BYTES = 8

export interface OutputFrame {
  readonly stream: Stream
  readonly bytes: Buffer
}

/** `text` of at most `FRAME_BYTES_MAX` as a frame. */
export function encodeOutput(stream: Stream, text: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + text.length)
  frame[0] = stream
  frame.writeUInt32BE(text.length, 1)
  frame.set(text, HEAD_BYTES)
  return frame
}

export function gapFrame(bytes: number): Buffer {
  const count = Buffer.alloc(GAP_BYTES)
  count.writeBigUInt64BE(BigInt(bytes))
  return encodeOutput(STREAM.gap, count)
}

/** Takes frames out of a stream of bytes; throws at what is none. */
export class OutputDecoder {
  #rest: Buffer = Buffer.alloc(0)
  #at = 0

  /** Where in the job's output the next frame begins: what to ask for to go on. */
  get at(): number {
    return this.#at
  }

  /** What comes next begins with a frame. */
  restart(): void {
    this.#rest = Buffer.alloc(0)
  }

  push(chunk: Uint8Array): OutputFrame[] {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const frames: OutputFrame[] = []
    let from = 0
    while (bytes.length - from >= HEAD_BYTES) {
      const stream = bytes[from] as Stream
      const length = bytes.readUInt32BE(from + 1)
      const isFrame = stream === STREAM.gap ? length === GAP_BYTES : length <= FRAME_BYTES_MAX
      if (stream > STREAM.err || !isFrame) throw new Error('that is not the output of a job')
      const end = from + HEAD_BYTES + length
      if (end > bytes.length) break
      const text = bytes.subarray(from + HEAD_BYTES, end)
      this.#at += stream === STREAM.gap ? Number(text.readBigUInt64BE()) : end - from
      frames.push({ stream, bytes: text })
      from = end
    }
    this.#rest = bytes.subarray(from)
    return frames
  }
}
