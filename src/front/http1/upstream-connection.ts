import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AriesError, toAriesError } from '../../errors.ts'
import { BodyReader } from '../../http1/body-reader.ts'
import { type Deadlines, NEVER, type Timed } from '../../http1/deadlines.ts'
import { HeadFinder } from '../../http1/head-finder.ts'
import { Listeners } from '../../http1/listeners.ts'
import { Outbox, writePiece } from '../../http1/outbox.ts'
import { removeReader, setReader } from '../../http1/read-buffer.ts'
import type { Target } from '../plan.ts'
import { isTlsFault } from '../upstream-tls.ts'
import type { ClientRequest } from './client-request.ts'
import { requestHeadText } from './head-edit.ts'
import { DISCARD_BYTES_MAX, POOL_IDLE_MS, POOL_IDLE_MS_MAX } from './limits.ts'
import { ParsedResponse } from './response-head.ts'
import type { UpstreamLink, UpstreamUser } from './upstream-link.ts'
import { UpstreamSocket } from './upstream-socket.ts'

/** Where a connection goes when it is free or gone: its pool. */
export interface UpstreamHome {
  opened(connection: UpstreamConnection): void
  openFailed(connection: UpstreamConnection, error: AriesError): void
  released(connection: UpstreamConnection): void
  closed(connection: UpstreamConnection): void
}

const CONNECTING = 0
const IDLE = 1
const BUSY = 2
const CLOSED = 3

/** Bytes of a target's response head; generous, because it is the operator's own server. */
const RESPONSE_HEAD_BYTES_MAX = 262_144

/** One connection to a target: a response parser and a place in the pool. */
export class UpstreamConnection implements Timed, UpstreamLink {
  readonly target: Target
  readonly stream: Duplex
  readonly startedMs = performance.now()
  deadlineMs = NEVER
  /** Whether it has carried a request before the current one: the target may close it meanwhile. */
  reused = false
  /** Whether the current request was sent to its end. */
  sentAll = false
  readonly #out: Outbox
  readonly #listeners: Listeners
  readonly #home: UpstreamHome
  readonly #deadlines: Deadlines
  readonly #finder = new HeadFinder()
  readonly #body = new BodyReader()
  readonly #onPiece: (piece: Buffer) => void
  #state = CONNECTING
  #user: UpstreamUser | undefined
  #pending: Buffer | undefined
  #chunked = false
  #inBody = false
  #discarded = -1
  #reusable = false
  #idleMs = POOL_IDLE_MS

  constructor(target: Target, stream: Duplex, home: UpstreamHome, deadlines: Deadlines) {
    this.target = target
    this.stream = stream
    this.#out = new Outbox(stream)
    this.#home = home
    this.#deadlines = deadlines
    this.#onPiece = (piece) => this.#piece(piece)
    const data = (chunk: Buffer): void => this.#data(chunk)
    const isRead = stream instanceof UpstreamSocket && setReader(stream, data)
    this.#listeners = new Listeners(stream, [
      ...(isRead ? [] : [['data', data] as const]),
      ['end', () => this.#ended()],
      ['drain', () => this.#user?.upstreamDrain()],
      ['error', (error: Error) => this.#lost(error)],
      ['close', () => this.#lost(undefined)],
    ])
    deadlines.add(this)
  }

  /** Waits for `connect` where there is such a thing. */
  open(connectTimeoutMs: number): void {
    if ((this.stream as Socket).connecting !== true) {
      this.#state = IDLE
      this.#home.opened(this)
      return
    }
    this.deadlineMs = this.#deadlines.after(connectTimeoutMs)
    this.stream.once('encrypted' in this.stream ? 'secureConnect' : 'connect', () => {
      this.#state = IDLE
      this.deadlineMs = NEVER
      this.#home.opened(this)
    })
  }

  get usable(): boolean {
    return this.#state === IDLE && this.stream.writable && this.stream.readable
  }

  /** Nobody waits for it: it stays open for a while. */
  keepIdle(): void {
    this.deadlineMs = this.#deadlines.after(this.#idleMs)
  }

  assign(user: UpstreamUser): void {
    this.#state = BUSY
    this.#user = user
    this.deadlineMs = NEVER
    this.sentAll = false
    this.#inBody = false
    this.#finder.reset()
  }

  begin(head: ClientRequest, target: Target, forwarded: string, askContinue: boolean): void {
    this.#out.text(requestHeadText(head, target, forwarded, askContinue))
    this.#chunked = head.chunked
  }

  piece(piece: Buffer): void {
    writePiece(this.#out, piece, this.#chunked)
  }

  end(trailers: string): void {
    if (this.#chunked) this.#out.text(`0\r\n${trailers}\r\n`)
    this.sentAll = true
  }

  flush(): boolean {
    return this.#out.flush()
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  /** The connection is closed, for its rest belongs to nobody. */
  abandon(): void {
    this.#user = undefined
    this.stream.destroy()
  }

  /** A small rest of the response is read, so that the connection can be used again. */
  discard(timeoutMs: number): void {
    this.#user = undefined
    this.#discarded = 0
    this.deadlineMs = this.#deadlines.after(timeoutMs)
  }

  detach(): Buffer | undefined {
    const rest = this.#pending
    this.#pending = undefined
    this.#state = CLOSED
    this.#user = undefined
    this.stream.pause()
    if (this.stream instanceof UpstreamSocket) removeReader(this.stream)
    this.#listeners.remove()
    this.#deadlines.delete(this)
    this.#home.closed(this)
    return rest
  }

  expired(): void {
    this.deadlineMs = NEVER
    if (this.#user !== undefined) this.#user.upstreamExpired()
    else if (this.#state === CONNECTING) this.#lost(new Error('connecting took too long'))
    this.stream.destroy()
  }

  /** Gossip found the target dead: TCP may not know it for a long time. */
  targetDown(): void {
    if (this.#user !== undefined) this.#user.upstreamDown()
    else this.#lost(new Error('gossip found its node dead'))
  }

  #data(chunk: Buffer): void {
    if (this.#state !== BUSY) {
      // Bytes that nobody asked for would be taken for the answer to the next request.
      this.stream.destroy()
      return
    }
    const user = this.#user
    try {
      this.#read(chunk)
    } catch (thrown) {
      const why = toAriesError(thrown).message
      this.#lost(new Error(`its answer is not strict HTTP: ${why}`), true)
    }
    user?.upstreamFlush()
  }

  #read(chunk: Buffer): void {
    let at = 0
    while (this.#state === BUSY && !this.stream.destroyed) {
      if (this.#inBody) {
        at = this.#body.read(chunk, at, this.#onPiece)
        if (!this.#body.ended) return
        this.#complete(at < chunk.length)
        return
      }
      const buffer: Buffer =
        this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
      const end = this.#finder.find(buffer)
      if (end < 0) {
        if (buffer.length > RESPONSE_HEAD_BYTES_MAX) throw new Error('its head is too large')
        this.#pending = buffer
        return
      }
      chunk = buffer.subarray(end)
      this.#pending = undefined
      at = 0
      this.#finder.reset()
      this.#head(new ParsedResponse(buffer.toString('latin1', 0, end)), chunk)
      if (!this.#inBody && chunk.length === 0) return
    }
  }

  #head(response: ParsedResponse, rest: Buffer): void {
    this.#pending = rest
    const follows = this.#user!.upstreamHead(response)
    if (this.#state !== BUSY) return
    this.#pending = undefined
    if (response.interim) return
    this.#reusable = response.keepAlive
    this.#idleMs =
      response.keepAliveMs < 0
        ? POOL_IDLE_MS
        : Math.min(response.keepAliveMs - 1_000, POOL_IDLE_MS_MAX)
    if (follows === 'none') this.#body.none()
    else if (response.chunked) this.#body.chunked()
    else if (response.contentLength >= 0) this.#body.length(response.contentLength)
    else {
      this.#body.untilClose()
      this.#reusable = false
    }
    this.#inBody = true
  }

  #piece(piece: Buffer): void {
    if (this.#user !== undefined) this.#user.upstreamData(piece)
    else if (this.#discarded >= 0) {
      this.#discarded += piece.length
      if (this.#discarded > DISCARD_BYTES_MAX) this.stream.destroy()
    }
  }

  #complete(hasExcess: boolean): void {
    const user = this.#user
    this.#user = undefined
    this.#inBody = false
    this.#discarded = -1
    const keep = this.#reusable && this.sentAll && !hasExcess && this.#idleMs > 0
    if (keep && !this.stream.destroyed) {
      this.#state = IDLE
      this.reused = true
      if (this.stream.isPaused()) this.stream.resume()
      this.#home.released(this)
    } else {
      this.#lost(undefined)
      this.stream.destroy()
    }
    user?.upstreamEnd(this.#body.trailers)
  }

  #ended(): void {
    if (this.#state === BUSY && this.#inBody && this.#body.close()) {
      const user = this.#user
      this.#complete(false)
      user?.upstreamFlush()
      return
    }
    this.#lost(new Error('the connection was closed'))
    this.stream.destroy()
  }

  /** Once: tells the user and the pool that the connection is gone. */
  #lost(cause: Error | undefined, spoke = false): void {
    if (this.#state === CLOSED) return
    const wasConnecting = this.#state === CONNECTING
    this.#state = CLOSED
    this.#deadlines.delete(this)
    const user = this.#user
    this.#user = undefined
    const error = failure(this.target, cause, wasConnecting)
    if (wasConnecting) this.#home.openFailed(this, error)
    else this.#home.closed(this)
    user?.upstreamFailed(error, spoke)
    if (cause !== undefined) this.stream.destroy()
  }
}

/** What became of a connection to `target`. */
export function failure(target: Target, cause: Error | undefined, connecting: boolean): AriesError {
  if (cause instanceof AriesError) return cause
  const tls = connecting && cause !== undefined && isTlsFault(cause)
  const what = tls ? 'is not trusted' : connecting ? 'cannot be reached' : 'failed'
  return new AriesError(
    tls ? 'ARIES_E_UPSTREAM_TLS' : 'ARIES_E_BAD_GATEWAY',
    `target ${target.id} ${what}: ${cause?.message ?? 'the connection was closed'}`,
    { cause },
  )
}
