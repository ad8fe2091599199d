import type { Socket } from 'node:net'
import { type AriesError, toAriesError } from '../../errors.ts'
import { BodyReader } from '../../http1/body-reader.ts'
import { NEVER, type Timed } from '../../http1/deadlines.ts'
import { HeadFinder } from '../../http1/head-finder.ts'
import { LINGER_MS, PIPELINE_BYTES_MAX } from '../../http1/limits.ts'
import { Listeners } from '../../http1/listeners.ts'
import { Outbox } from '../../http1/outbox.ts'
import { removeReader, setReader } from '../../http1/read-buffer.ts'
import { checkUnfinishedHead } from '../../http1/request-head.ts'
import type { Plan } from '../plan.ts'
import { limitText } from '../route-terms.ts'
import { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import { Exchange } from './exchange.ts'
import type { ExchangeClient } from './exchange-client.ts'
import { Peer } from './peer.ts'
import { refuse, tooSlow } from './refusal.ts'
import type { ParsedResponse } from './response-head.ts'
import { Http1Writer } from './response-writer.ts'
import { Tunnel } from './tunnel.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** A connection of a client, of whatever version of HTTP. */
export interface ClientLink {
  /** The engine shuts down: what runs may finish, nothing begins. */
  shutDown(gently?: boolean): void
  destroy(): void
}

/** Where a client connection is known as open: the engine. */
export interface ClientHome {
  /** Removes it: closed, handed over or spliced into `successor`. */
  left(connection: ClientLink): void
  tunnelBegan(tunnel: Tunnel): void
  tunnelEnded(tunnel: Tunnel): void
}

const READING = 0
const BUSY = 1
const LINGERING = 2
const GONE = 3

/**
 * One client connection: reads heads, one exchange at a time, so that pipelined requests are
 * answered in their order and what waits is bounded.
 */
export class ClientConnection implements ClientLink, ExchangeClient, Timed {
  readonly response: Http1Writer
  readonly peer: Peer
  deadlineMs: number
  readonly #engine: EngineContext
  readonly #home: ClientHome
  readonly #socket: Socket
  readonly #listeners: Listeners
  readonly #finder = new HeadFinder()
  readonly #body = new BodyReader()
  readonly #onPiece = (piece: Buffer): void => this.#exchange?.clientData(piece)
  #state = READING
  #exchange: Exchange | undefined
  /** Read and not yet taken: a part of a head, or pipelined requests. */
  #pending: Buffer | undefined
  #blankLineSeen = false
  #halfClosed = false
  #held = false
  #pumping = false
  #bytesCounted = 0

  constructor(engine: EngineContext, socket: Socket, home: ClientHome) {
    this.#engine = engine
    this.#home = home
    this.#socket = socket
    this.response = new Http1Writer(engine, new Outbox(socket))
    this.peer = new Peer(engine, socket)
    this.deadlineMs = engine.deadlines.after(engine.init.idleTimeoutMs)
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    const data = (chunk: Buffer): void => this.#data(chunk)
    this.#listeners = new Listeners(socket, [
      ...(setReader(socket, data) ? [] : [['data', data] as const]),
      ['end', () => this.#ended()],
      ['drain', () => this.#drained()],
      ['finish', () => this.#finished()],
      ['error', () => socket.destroy()],
      ['close', () => this.#closed()],
    ])
    engine.deadlines.add(this)
    // It may come paused (`pauseOnConnect`), as it must when it was handed from thread to thread.
    socket.resume()
  }

  /** `gently`: the next answer ends it, for a request may be on its way. */
  shutDown(gently = false): void {
    if (!gently && this.#state === READING && this.#pending === undefined) this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  expired(): void {
    this.deadlineMs = NEVER
    if (this.#state === READING && this.#pending !== undefined) {
      this.#refuse(tooSlow('head', `front.headTimeoutMs (${this.#engine.init.headTimeoutMs} ms)`))
    } else if (this.#state === BUSY && !this.#socket.writableNeedDrain) {
      const { times } = this.#exchange ?? this.#engine
      this.#exchange?.fail(tooSlow('body', limitText(times, 'bodyIdleTimeoutMs')))
    } else this.#socket.destroy()
  }

  // For the exchange.

  forwarded(head: ClientRequest): string {
    return this.peer.forwarded(head)
  }

  get bodyEnded(): boolean {
    return this.#body.ended
  }

  get trailers(): string {
    return this.#body.trailers
  }

  feed(): void {
    const pending = this.#pending
    if (pending === undefined || this.#body.ended) return
    this.#pending = undefined
    this.#readBody(pending)
  }

  dropBody(): boolean {
    const pending = this.#pending
    if (!this.#body.ended && pending !== undefined) {
      try {
        const at = this.#body.read(pending, 0, () => {})
        this.#pending = at < pending.length ? pending.subarray(at) : undefined
      } catch {
        return false
      }
    }
    return this.#body.ended
  }

  hold(): void {
    this.#held = true
    this.#regulate()
    this.#arm()
  }

  release(): void {
    if (this.#held) {
      this.#held = false
      this.#regulate()
    }
    this.#arm()
  }

  flush(): boolean {
    const { out } = this.response
    const ready = out.flush()
    this.#engine.stats.bytesOut += out.bytes - this.#bytesCounted
    this.#bytesCounted = out.bytes
    if (!ready) this.#arm()
    return ready
  }

  exchangeDone(): void {
    this.#exchange = undefined
    this.#held = false
    if (this.#state !== BUSY) return
    if (this.response.last || !this.#body.ended || this.#engine.closing) {
      this.#linger()
      return
    }
    this.#state = READING
    this.#blankLineSeen = false
    const { headTimeoutMs, idleTimeoutMs } = this.#engine.init
    const waitMs = this.#pending === undefined ? idleTimeoutMs : headTimeoutMs
    this.deadlineMs = this.#engine.deadlines.after(waitMs)
    this.#next()
  }

  cut(): void {
    this.#exchange = undefined
    this.#socket.resetAndDestroy()
  }

  take(take: Extract<Plan, { kind: 'take' }>['take']): void {
    const rest = this.#detach()
    try {
      take(this.#socket, rest ?? Buffer.alloc(0))
    } catch (thrown) {
      this.#socket.destroy()
      throw thrown
    }
  }

  tunnel(response: ParsedResponse, link: UpstreamLink, ended: () => void): void {
    const { tunnelIdleTimeoutMs } = (this.#exchange ?? this.#engine).times
    this.response.interim(response)
    this.flush()
    const fromClient = this.#detach()
    const fromTarget = link.detach()
    const ends = { client: this.#socket, target: link.stream }
    const tunnel = new Tunnel(this.#engine, ends, tunnelIdleTimeoutMs, () => {
      this.#home.tunnelEnded(tunnel)
      ended()
    })
    this.#home.tunnelBegan(tunnel)
    tunnel.begin(fromClient, fromTarget)
  }

  // Reading.

  #data(chunk: Buffer): void {
    this.#engine.stats.bytesIn += chunk.length
    if (this.#state === LINGERING) return
    if (this.#state === BUSY && !this.#body.ended) {
      this.#readBody(chunk)
      return
    }
    if (this.#pending === undefined) {
      if (this.#state === READING) {
        this.deadlineMs = this.#engine.deadlines.after(this.#engine.init.headTimeoutMs)
      }
      this.#pending = chunk
    } else this.#pending = Buffer.concat([this.#pending, chunk])
    if (this.#state === READING) this.#next()
    else this.#regulate()
  }

  #readBody(chunk: Buffer): void {
    const exchange = this.#exchange
    let at: number
    try {
      at = this.#body.read(chunk, 0, this.#onPiece)
    } catch (thrown) {
      exchange?.fail(toAriesError(thrown))
      return
    }
    if (this.#exchange !== exchange || exchange === undefined) return
    if (at < chunk.length) this.#pending = chunk.subarray(at)
    if (this.#body.ended) exchange.clientEnd()
    exchange.clientFlush()
    this.#arm()
  }

  /** Begins the exchanges whose heads are here, one after the other. */
  #next(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#state === READING && !this.#socket.writableNeedDrain && this.#readHead()) {}
    this.#pumping = false
    const stuck = this.#socket.writableNeedDrain
    if (this.#state === READING && this.#halfClosed && !stuck) this.#linger()
    this.#regulate()
  }

  /** False when no complete head is here. */
  #readHead(): boolean {
    const buffer = this.#pending
    if (buffer === undefined) return false
    const { headBytesMax } = this.#engine.init
    let head: ClientRequest
    try {
      const end = this.#finder.find(buffer)
      const bytes = end < 0 ? buffer.length : end
      checkUnfinishedHead(bytes, this.#finder.hasLine, headBytesMax, 'front.headBytesMax')
      if (end < 0) return false
      this.#pending = end < buffer.length ? buffer.subarray(end) : undefined
      this.#finder.reset()
      // One empty line before a request is an old client's habit (RFC 9112 §2.2); two are none.
      if (end === 2 && !this.#blankLineSeen) {
        this.#blankLineSeen = true
        return true
      }
      const text = buffer.toString('latin1', 0, end)
      const { address, scheme, trust } = this.peer
      head = new ClientRequest(text, address, scheme, trust)
      this.#engine.marks?.mark(head, trust !== undefined)
      head.recording = this.#engine.recorder?.begin(head, trust !== undefined)
    } catch (thrown) {
      this.#refuse(toAriesError(thrown))
      return false
    }
    this.#begin(head)
    return true
  }

  #begin(head: ClientRequest): void {
    this.#state = BUSY
    this.deadlineMs = NEVER
    if (head.chunked) this.#body.chunked()
    else if (head.contentLength > 0) this.#body.length(head.contentLength)
    else this.#body.none()
    const exchange = new Exchange(this.#engine, this, head)
    this.#exchange = exchange
    exchange.begin()
    if (this.#exchange === exchange) this.#arm()
  }

  /** Answers what cannot be read as a request, and reads nothing more. */
  #refuse(error: AriesError): void {
    refuse(this.#engine, this, error, '1.1')
    this.flush()
    this.#linger()
  }

  /** Pauses the socket while the body is held back or too much is waiting. */
  #regulate(): void {
    if (this.#state === GONE) return
    const pause = this.#held || (this.#pending?.length ?? 0) > PIPELINE_BYTES_MAX
    if (pause === this.#socket.isPaused()) return
    if (pause) this.#socket.pause()
    else this.#socket.resume()
  }

  /** Sets the time limit of a running exchange: for the next piece of a body, either way. */
  #arm(): void {
    if (this.#state !== BUSY) return
    const waiting = this.#socket.writableNeedDrain || (!this.#body.ended && !this.#held)
    this.deadlineMs = waiting
      ? this.#engine.deadlines.after((this.#exchange ?? this.#engine).times.bodyIdleTimeoutMs)
      : NEVER
  }

  // Ends.

  #drained(): void {
    this.#exchange?.clientDrained()
    this.#arm()
    if (this.#state === READING) this.#next()
  }

  #ended(): void {
    this.#halfClosed = true
    if (this.#state === BUSY && !this.#body.ended) this.#socket.destroy()
    else if (this.#state === READING) this.#next()
  }

  /**
   * Ends the connection behind its last answer: reads and drops what still comes for a while,
   * because closing on unread bytes sends a reset, which can overtake the answer (RFC 9112 §9.6).
   */
  #linger(): void {
    this.#state = LINGERING
    this.#pending = undefined
    this.deadlineMs = this.#engine.deadlines.after(this.#engine.init.bodyIdleTimeoutMs)
    this.#socket.end()
    this.#socket.resume()
  }

  #finished(): void {
    if (this.#state === LINGERING) this.deadlineMs = this.#engine.deadlines.after(LINGER_MS)
  }

  #detach(): Buffer | undefined {
    const rest = this.#pending
    this.#pending = undefined
    this.#state = GONE
    this.#exchange = undefined
    this.#socket.pause()
    removeReader(this.#socket)
    this.#listeners.remove()
    this.#engine.deadlines.delete(this)
    this.#home.left(this)
    return rest
  }

  #closed(): void {
    if (this.#state === GONE) return
    this.#state = GONE
    this.#engine.deadlines.delete(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.clientGone()
    this.#home.left(this)
  }
}
