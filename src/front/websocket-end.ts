import type { WebSocket } from 'ws'
import type { ClientEnd, ClientHandlers } from './client-end.ts'

/** How long a client has to read the close frame before its connection is cut. */
const CLOSE_TIMEOUT_MS = 2_000
/** RFC 6455, 5.5: a close frame has 125 bytes, two of which are the code. */
const REASON_BYTES_MAX = 123

/** A client's WebSocket. */
export class WebSocketEnd implements ClientEnd {
  readonly hearsCodes = true
  readonly #ws: WebSocket
  /** A pong came since the last ping. */
  #isResponsive = true

  constructor(ws: WebSocket, handlers: ClientHandlers) {
    this.#ws = ws
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      handlers.data(isBinary ? data : data.toString())
    })
    ws.on('pong', () => {
      this.#isResponsive = true
    })
    ws.once('close', (code: number, reason: Buffer) => handlers.left(code, reason.toString()))
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  /** What ws has taken is off our hands: it cannot say when the client's system has it. */
  send(data: string | Uint8Array, handedOn: () => void): void {
    if (this.#ws.readyState === 1) this.#ws.send(data)
    handedOn()
  }

  setReading(reads: boolean): void {
    if (!reads && !this.#ws.isPaused) this.#ws.pause()
    else if (reads && this.#ws.isPaused) this.#ws.resume()
  }

  /** One that does not answer the close is cut. */
  close(code: number, reason: string): void {
    const ws = this.#ws
    if (ws.readyState === 3) return
    if (ws.isPaused) ws.resume()
    if (code === 1006) {
      ws.terminate()
      return
    }
    if (code === 1005) ws.close()
    else ws.close(isSendable(code) ? code : 1011, shorten(reason))
    const timer = setTimeout(() => ws.terminate(), CLOSE_TIMEOUT_MS)
    ws.once('close', () => clearTimeout(timer))
  }

  /** Asks whether the client is there, or cuts it when it left the last ping unanswered. */
  ping(): void {
    const ws = this.#ws
    if (ws.readyState !== 1 || ws.isPaused) return
    if (!this.#isResponsive) {
      ws.terminate()
      return
    }
    this.#isResponsive = false
    ws.ping()
  }
}

/** Codes that may stand in a close frame (RFC 6455, 7.4). */
function isSendable(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || isPrivate(code)
}

function isPrivate(code: number): boolean {
  return code >= 3000 && code <= 4999
}

/** As much of `reason` as fits into a close frame, without half a character at its end. */
function shorten(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= REASON_BYTES_MAX) return reason
  return bytes
    .subarray(0, REASON_BYTES_MAX)
    .toString()
    .replace(/\uFFFD+$/, '')
}
