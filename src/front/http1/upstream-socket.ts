import { Socket } from 'node:net'
import { onread } from '../../http1/read-buffer.ts'

type Written = (error?: Error | null) => void

/**
 * A TCP connection that is still read when it can no longer be written. Node closes a socket whose
 * write fails, and drops what has arrived on it: the answer of a target that refused a body before
 * it had all of it. Here a failed write stays under way until the reading side has come to its end.
 */
export class UpstreamSocket extends Socket {
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

  #settle(error: Error | null | undefined): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.(error)
  }
}

export function connectUpstream({ host, port, socketPath }: Place): Socket {
  const socket: Socket = new UpstreamSocket({ allowHalfOpen: true, onread: onread(() => socket) })
  socket.setNoDelay(true)
  return socketPath === undefined ? socket.connect({ host, port }) : socket.connect(socketPath)
}

/** Where somebody listens. */
export interface Place {
  readonly host: string
  readonly port: number
  /** Of a Unix socket. */
  readonly socketPath?: string
}
