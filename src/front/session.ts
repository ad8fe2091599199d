import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { WorkerId } from '../identity.ts'
import type { SessionId } from '../session-frames.ts'
import type { OwnerAddress } from '../wire.ts'
import type { RequestHead } from './plan.ts'
import type { HostLink } from './session-link.ts'

/** What a client may have sent without the worker having applied it; past it, it is not read. */
const UNACKED_MESSAGES_MAX = 1_024
const UNACKED_BYTES_MAX = 4 * 1024 * 1024
/** What may wait to be written to a client; one that reads slower than this is let go. */
const CLIENT_BYTES_MAX = 8 * 1024 * 1024
/** How long a client has to read the close frame before its connection is cut. */
const CLOSE_TIMEOUT_MS = 2_000
/** RFC 6455, 5.5: a close frame has 125 bytes, two of which are the code. */
const REASON_BYTES_MAX = 123

interface InMessage {
  readonly n: number
  readonly data: string | Uint8Array
  readonly bytes: number
}

/** The request that asked for the session, until it is accepted or refused. */
export interface Opening {
  readonly head: RequestHead
  readonly socket: Socket
  /** What the client sent past the head. */
  readonly early: Buffer
}

export interface SessionInit {
  readonly sid: SessionId
  readonly id: WorkerId
  readonly worker: string
  readonly opening: Opening
}

/**
 * A client's WebSocket and its numbers. It outlives its links: where the worker goes, it is attached
 * again, sends what was not acknowledged and drops what it has seen.
 */
export class Session {
  readonly sid: SessionId
  readonly id: WorkerId
  /** `formatWorkerId` of the worker. */
  readonly worker: string
  opening: Opening | undefined
  ws: WebSocket | undefined
  owner: OwnerAddress | undefined
  link: HostLink | undefined
  /** Since when no host has answered for it, on the monotonic clock; undefined: one has. */
  lostAtMs: number | undefined
  /** Hosts in a row that sent it on. */
  redirects = 0
  /** Why the client's side ended; the host is told when it has applied what came before. */
  left: readonly [code: number, reason: string] | undefined
  /** Nothing more is to be done for it. */
  over = false
  /** A pong came since the last ping. */
  isResponsive = true
  #seen = 0
  #sent = 0
  #unacked: InMessage[] = []
  #unackedBytes = 0

  constructor(init: SessionInit) {
    this.sid = init.sid
    this.id = init.id
    this.worker = init.worker
    this.opening = init.opening
  }

  get hasUnacked(): boolean {
    return this.#unacked.length > 0
  }

  /** The client sent a message: it gets the next number and is kept until acknowledged. */
  take(data: string | Uint8Array): void {
    this.#sent += 1
    const message = { n: this.#sent, data, bytes: data.length }
    this.#unacked.push(message)
    this.#unackedBytes += message.bytes
    this.link?.send({ type: 'message', sid: this.sid, n: message.n, data })
    this.updateFlow()
  }

  /** The host has applied everything up to `n`. */
  acknowledged(n: number): void {
    let count = 0
    while (count < this.#unacked.length && this.#unacked[count]!.n <= n) {
      this.#unackedBytes -= this.#unacked[count]!.bytes
      count += 1
    }
    if (count === 0) return
    this.#unacked.splice(0, count)
    this.updateFlow()
  }

  /**
   * Message `n` came from the host. False when one before it is missing, which no attach can cure.
   */
  deliver(n: number, data: string | Uint8Array): boolean {
    if (n > this.#seen + 1) return false
    if (n === this.#seen + 1) {
      this.#seen = n
      if (this.ws?.readyState === 1) this.ws.send(data)
    }
    this.link?.acknowledge(this.sid, this.#seen)
    return true
  }

  get isTooSlow(): boolean {
    return (this.ws?.bufferedAmount ?? 0) > CLIENT_BYTES_MAX
  }

  /** Goes on over `link`: asks to be opened or attached there, and sends again what is not acknowledged. */
  attach(link: HostLink, owner: OwnerAddress): void {
    this.detach()
    this.link = link
    this.owner = owner
    link.sessions.add(this)
    const { sid, worker, opening } = this
    if (opening !== undefined) {
      const { target } = opening.head
      link.send({ type: 'open', sid, worker, url: target, headers: openHeaders(opening.head) })
      return
    }
    link.send({ type: 'attach', sid, worker, seen: this.#seen })
    for (const { n, data } of this.#unacked) link.send({ type: 'message', sid, n, data })
    this.updateFlow()
  }

  detach(): void {
    this.link?.sessions.delete(this)
    this.link = undefined
  }

  /** Reads the client or does not, by how much of what it sent is still on its way. */
  updateFlow(): void {
    const { ws } = this
    if (ws === undefined) return
    const isFull =
      this.#unacked.length >= UNACKED_MESSAGES_MAX ||
      this.#unackedBytes >= UNACKED_BYTES_MAX ||
      this.link?.isCongested === true
    if (isFull && !ws.isPaused) ws.pause()
    else if (!isFull && ws.isPaused) ws.resume()
  }

  /** Closes the client's WebSocket; one that does not answer the close is cut. */
  closeClient(code: number, reason: string): void {
    const { ws } = this
    if (ws === undefined || ws.readyState === 3) return
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
}

const NOT_FOR_WORKERS =
  /^(connection|upgrade|keep-alive|proxy-.*|aries-.*|x-forwarded-for|sec-websocket-(key|version|extensions))$/

/** Headers of the client's request as the worker sees them, and who the client is. */
function openHeaders(head: RequestHead): [string, string][] {
  const headers = head.headers.filter(([name]) => !NOT_FOR_WORKERS.test(name.toLowerCase()))
  return [
    ...headers.map(([name, value]): [string, string] => [name, value]),
    ['x-forwarded-for', head.remoteAddress],
  ]
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
