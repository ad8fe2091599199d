import { encodeFrame, type Frame, type SessionId } from './session-frames.ts'

/** What one end of a link wants to say: the frames of one macrotask leave in one write, in order. */
export class FrameBatch {
  readonly #flush: () => void
  #frames: Buffer[] = []
  #bytes = 0
  readonly #acks = new Map<SessionId, number>()
  #scheduled = false

  /** `flush` is called once for all that is added meanwhile; it is to `take` it. */
  constructor(flush: () => void) {
    this.#flush = flush
  }

  /** Encoded, without acknowledgements. */
  get bytes(): number {
    return this.#bytes
  }

  add(frame: Frame): void {
    const bytes = encodeFrame(frame)
    this.#frames.push(bytes)
    this.#bytes += bytes.length
    this.#schedule()
  }

  /** Only the newest acknowledgement of a session is worth sending. */
  acknowledge(sid: SessionId, n: number): void {
    this.#acks.set(sid, n)
    this.#schedule()
  }

  /** Everything, which is then no longer in here; undefined when there is nothing. */
  take(): Buffer | undefined {
    for (const [sid, n] of this.#acks) this.#frames.push(encodeFrame({ type: 'ack', sid, n }))
    this.#acks.clear()
    if (this.#frames.length === 0) return undefined
    const bytes = Buffer.concat(this.#frames)
    this.#frames = []
    this.#bytes = 0
    return bytes
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#flush()
    })
  }
}
