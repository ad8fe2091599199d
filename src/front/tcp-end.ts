import type { Socket } from 'node:net'
import type { ClientEnd, ClientHandlers } from './client-end.ts'

/** Ends a direction of a session with a raw connection. */
const NO_MORE = Buffer.alloc(0)
/** How a session is said to have ended, in the words of WebSockets (RFC 6455, 7.4.1). */
const NORMAL = 1000
const GOING_AWAY = 1001
const ABNORMAL = 1006

/** A client's raw connection. Each direction ends on its own. */
export class TcpEnd implements ClientEnd {
  readonly hearsCodes = false
  readonly #socket: Socket

  /** `socket`: paused, with `allowHalfOpen`. */
  constructor(socket: Socket, handlers: ClientHandlers, init: { idleTimeoutMs: number }) {
    this.#socket = socket
    socket.setTimeout(init.idleTimeoutMs, () => socket.resetAndDestroy())
    socket.on('data', (chunk: Buffer) => handlers.data(chunk))
    socket.once('end', () => handlers.data(NO_MORE))
    socket.once('close', (hadError: boolean) => {
      const whole = !hadError && socket.readableEnded && socket.writableFinished
      handlers.left(whole ? NORMAL : ABNORMAL, '')
    })
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  send(data: string | Uint8Array, handedOn: () => void): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    if (data.length === 0) socket.end(handedOn)
    else socket.write(data, handedOn)
  }

  setReading(reads: boolean): void {
    if (reads) this.#socket.resume()
    else this.#socket.pause()
  }

  close(code: number): void {
    if (code === NORMAL || code === GOING_AWAY) this.#socket.destroySoon()
    else this.#socket.resetAndDestroy()
  }
}
