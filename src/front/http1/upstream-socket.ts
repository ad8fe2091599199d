import { Socket } from 'node:net'

type Written = (error?: Error | null) => void

/**
 * Where every upstream socket of the thread reads to. Without it each read would have 64 KiB of its
 * own, however little came, and pass the machinery of a stream.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536)

/**
 * A TCP connection that is still read when it can no longer be written. Node closes a socket whose
 * write fails, and drops what has arrived on it: the answer of a target that refused a body before
 * it had all of it. Here a failed write stays under way until the reading side has come to its end.
 */
export class UpstreamSocket extends Socket {
  /** Takes what is read, as long as it is set; then it comes as `data` again. */
  reader: ((chunk: Buffer) => void) | undefined
  /** Of the one write that is under way. */
  #callback: Written | undefined
  readonly #written: Written = (error) => {
    if (error && !this.readableEnded) this.once('end', () => this.#settle(error))
    else this.#settle(error)
  }

  override _write(chunk: unknown, encoding: BufferEncoding, callback: Written): void {
    this.#callback = callback
    super._write(chunk, encoding, this.#written)
  }

  override _writev(
    chunks: { chunk: unknown; encoding: BufferEncoding }[],
    callback: Written,
  ): void {
    this.#callback = callback
    super._writev!(chunks, this.#written)
  }

  /** The first `bytes` of the buffer have come; whether more is wanted. */
  received(bytes: number): boolean {
    const chunk = Buffer.from(READ_BUFFER.subarray(0, bytes))
    if (this.reader === undefined) return this.push(chunk)
    this.reader(chunk)
    return true
  }

  #settle(error: Error | null | undefined): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }
}

export function connectUpstream(host: string, port: number): Socket {
  const onread = { buffer: READ_BUFFER, callback: (bytes: number) => socket.received(bytes) }
  const socket = new UpstreamSocket({ allowHalfOpen: true, onread })
  return socket.setNoDelay(true).connect({ host, port })
}
