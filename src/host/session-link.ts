import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { FrameBatch } from '../frame-batch.ts'
import { type Frame, FrameDecoder, type SessionId } from '../session-frames.ts'
import type { FrontIdentity } from './session.ts'

export const SESSION_PROTOCOL = 'aries-session'
/** A front that does not read for so long is cut off; it may connect again and attach. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024

/** One connection from a front's shard, with the frames of all its sessions on this host. */
export class SessionLink {
  readonly #socket: Duplex
  readonly #decoder = new FrameDecoder()
  readonly #onBytes: (bytes: number) => void
  readonly #unsent = new FrameBatch(() => this.#flush())
  /** Known from the first frame on. */
  front: FrontIdentity | undefined

  constructor(
    socket: Duplex,
    handlers: {
      readonly frame: (link: SessionLink, frame: Frame) => void
      readonly closed: (link: SessionLink) => void
      readonly bytes: (bytes: number) => void
    },
  ) {
    this.#socket = socket
    this.#onBytes = handlers.bytes
    socket.on('data', (chunk: Buffer) => this.#read(chunk, handlers.frame))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.once('close', () => handlers.closed(this))
  }

  /** Of the front's machine; empty when it is not known. */
  get address(): string {
    return (this.#socket as Partial<Socket>).remoteAddress ?? ''
  }

  send(frame: Frame): void {
    this.#unsent.add(frame)
  }

  acknowledge(sid: SessionId, n: number): void {
    this.#unsent.acknowledge(sid, n)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Sends what is left, then closes. */
  end(): void {
    this.#flush()
    this.#socket.end(() => this.#socket.destroy())
  }

  #read(chunk: Buffer, handle: (link: SessionLink, frame: Frame) => void): void {
    this.#onBytes(chunk.length)
    try {
      for (const frame of this.#decoder.push(chunk)) handle(this, frame)
    } catch {
      // Not a front, or one of another version: it must begin anew.
      this.#socket.destroy()
    }
  }

  #flush(): void {
    const bytes = this.#unsent.take()
    if (!bytes || this.#socket.destroyed) return
    this.#onBytes(bytes.length)
    this.#socket.write(bytes)
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#socket.destroy()
  }
}
