import type { Socket } from 'node:net'
import { type AriesError, toAriesError } from '../errors.ts'
import { BodyReader } from './body-reader.ts'
import { NEVER, type Timed } from './deadlines.ts'
import { HeadFinder } from './head-finder.ts'
import { LINGER_MS, PIPELINE_BYTES_MAX } from './limits.ts'
import { Listeners } from './listeners.ts'
import { Outbox } from './outbox.ts'
import { removeReader, setReader } from './read-buffer.ts'
import { checkUnfinishedHead, ParsedRequest } from './request-head.ts'
import { type BodySink, type ServerClient, ServerExchange } from './server-exchange.ts'
import type { ServerHome } from './server-home.ts'

/** A body up to this size that nobody wants is read to its end, so that the connection can be kept. */
const DISCARD_BYTES_MAX = 65_536

const READING = 0
const BUSY = 1
/** The answer is written, the rest of the request's body is dropped. */
const DISCARDING = 2
const LINGERING = 3
const GONE = 4

/** Stands for a head that could not be read: what is answered to it has a body. */
const UNREADABLE = new ParsedRequest('GET / HTTP/1.1\r\nHost: unknown\r\n\r\n')

/**
 * One connection to a server of ours: requests one after the other, so that pipelined ones are
 * answered in their order and what waits is bounded. A peer that ends its side has gone: ours do so
 * when nobody waits for the answer any more.
 */
export class ServerConnection implements ServerClient, Timed {
  readonly out: Outbox
  readonly remoteAddress: string
  deadlineMs: number
  bytesIn = 0
  readonly #home: ServerHome
  readonly #socket: Socket
  readonly #listeners: Listeners
  readonly #finder = new HeadFinder()
  readonly #body = new BodyReader()
  readonly #onPiece = (piece: Buffer): void => this.#sink?.data(piece)
  #state = READING
  #exchange: ServerExchange | undefined
  #sink: BodySink | undefined
  /** Read and not yet taken: a part of a head, a body that nobody took yet, pipelined requests. */
  #pending: Buffer | undefined
  #blankLineSeen = false
  #pumping = false
  /** What came is no request for the handlers: the connection ends behind the answer to it. */
  #last = false
  #bytesSeen = 0

  constructor(home: ServerHome, socket: Socket) {
    this.#home = home
    this.#socket = socket
    this.out = new Outbox(socket)
    this.remoteAddress = socket.remoteAddress ?? ''
    this.deadlineMs = home.deadlines.after(home.limits.idleTimeoutMs)
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
    home.deadlines.add(this)
    socket.resume()
  }

  /** The server closes: what has not begun must not hold it up. */
  serverCloses(): void {
    if (this.#state !== READING) return
    if (this.#pending === undefined) this.#socket.destroy()
    else this.deadlineMs = this.#home.deadlines.after(LINGER_MS)
  }

  expired(): void {
    this.deadlineMs = NEVER
    this.#socket.destroy()
  }

  // For the exchange.

  receive(sink: BodySink): void {
    this.#sink = sink
    if (this.#body.ended) {
      sink.end()
      return
    }
    if (this.#exchange?.head.expectContinue === true && this.#pending === undefined) {
      this.out.text('HTTP/1.1 100 Continue\r\n\r\n')
      this.flush()
    }
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined) this.#readBody(pending)
    this.#regulate()
  }

  mayFollow(): boolean {
    const head = this.#exchange?.head
    if (head === undefined || this.#last || this.#home.closing || !head.keepAlive) return false
    return this.#body.ended || (!head.expectContinue && this.#isSmall(head))
  }

  flush(): boolean {
    // What one round of reading answers leaves together.
    return this.#pumping ? !this.#socket.writableNeedDrain : this.out.flush()
  }

  done(keepAlive: boolean): void {
    this.flush()
    const exchange = this.#exchange!
    this.#exchange = undefined
    this.#sink = undefined
    if (this.#state === GONE) return
    this.#report(exchange)
    if (!keepAlive) {
      this.#linger()
      return
    }
    if (this.#body.ended) {
      this.#await()
      return
    }
    this.#state = DISCARDING
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined) this.#discard(pending)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  // Reading.

  #data(chunk: Buffer): void {
    this.bytesIn += chunk.length
    if (this.#state === BUSY && this.#sink !== undefined && !this.#body.ended) this.#readBody(chunk)
    else if (this.#state === DISCARDING) this.#discard(chunk)
    else if (this.#state !== LINGERING) this.#keep(chunk)
  }

  #keep(chunk: Buffer): void {
    if (this.#pending === undefined) {
      if (this.#state === READING) {
        this.deadlineMs = this.#home.deadlines.after(this.#home.limits.headTimeoutMs)
      }
      this.#pending = chunk
    } else this.#pending = Buffer.concat([this.#pending, chunk])
    if (this.#state === READING) this.#next()
    else this.#regulate()
  }

  #readBody(chunk: Buffer): void {
    const sink = this.#sink
    const exchange = this.#exchange
    let at: number
    try {
      at = this.#body.read(chunk, 0, this.#onPiece)
    } catch (thrown) {
      this.#sink = undefined
      sink?.cut()
      if (this.#exchange === exchange && exchange?.answered === false) {
        this.#home.handlers.refuse(exchange, toAriesError(thrown))
      } else this.#socket.destroy()
      return
    }
    if (at < chunk.length) this.#pending = chunk.subarray(at)
    if (!this.#body.ended) return
    if (this.#exchange === exchange) {
      this.deadlineMs = NEVER
      sink?.end()
    } else if (this.#state === DISCARDING) this.#await()
  }

  #discard(chunk: Buffer): void {
    let at: number
    try {
      at = this.#body.read(chunk, 0, () => undefined)
    } catch {
      this.#socket.destroy()
      return
    }
    if (!this.#body.ended) return
    if (at < chunk.length) this.#pending = chunk.subarray(at)
    this.#await()
  }

  /** Waits for the next request, which may be here already. */
  #await(): void {
    this.#state = READING
    this.#blankLineSeen = false
    if (this.#home.closing) {
      this.#linger()
      return
    }
    const { headTimeoutMs, idleTimeoutMs } = this.#home.limits
    const waitMs = this.#pending === undefined ? idleTimeoutMs : headTimeoutMs
    this.deadlineMs = this.#home.deadlines.after(waitMs)
    this.#next()
  }

  /** Begins the exchanges whose heads are here, one after the other. */
  #next(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#state === READING && !this.#socket.writableNeedDrain && this.#readHead()) {}
    this.#pumping = false
    if (this.#state === GONE) return
    this.out.flush()
    this.#regulate()
  }

  /** False when no complete head is here. */
  #readHead(): boolean {
    const buffer = this.#pending
    if (buffer === undefined) return false
    const { headBytesMax, headBytesLimit, fieldsMax } = this.#home.limits
    let head: ParsedRequest
    try {
      const end = this.#finder.find(buffer)
      const bytes = end < 0 ? buffer.length : end
      checkUnfinishedHead(bytes, this.#finder.hasLine, headBytesMax, headBytesLimit)
      if (end < 0) return false
      this.#pending = end < buffer.length ? buffer.subarray(end) : undefined
      this.#finder.reset()
      // One empty line before a request is an old client's habit (RFC 9112 §2.2); two are none.
      if (end === 2 && !this.#blankLineSeen) {
        this.#blankLineSeen = true
        return true
      }
      head = new ParsedRequest(buffer.toString('latin1', 0, end), fieldsMax)
    } catch (thrown) {
      this.#refuse(toAriesError(thrown))
      return false
    }
    if (head.upgrade !== undefined) this.#upgrade(head)
    else this.#begin(head)
    return true
  }

  #begin(head: ParsedRequest): void {
    this.#state = BUSY
    if (head.chunked) this.#body.chunked()
    else if (head.contentLength > 0) this.#body.length(head.contentLength)
    else this.#body.none()
    const { deadlines, limits, handlers, keepAliveLine } = this.#home
    this.deadlineMs = this.#body.ended ? NEVER : deadlines.after(limits.bodyTimeoutMs)
    const line = head.minorVersion === 1 ? keepAliveLine : 'connection: keep-alive\r\n'
    this.#exchange = new ServerExchange(this, head, line)
    handlers.request(this.#exchange)
  }

  /** An exchange that no handler has begun: its answer is the last. */
  #lastExchange(head: ParsedRequest): ServerExchange {
    this.#state = BUSY
    this.#last = true
    this.#pending = undefined
    this.#body.none()
    this.#exchange = new ServerExchange(this, head, '')
    return this.#exchange
  }

  /** Answers what cannot be read as a request, and reads nothing more. */
  #refuse(error: AriesError): void {
    this.#home.handlers.refuse(this.#lastExchange(UNREADABLE), error)
  }

  #upgrade(head: ParsedRequest): void {
    const upgrade = head.hasBody ? 400 : this.#home.handlers.upgrade(head)
    if (typeof upgrade === 'number') {
      this.#lastExchange(head).send(upgrade, '')
      return
    }
    const { protocol } = upgrade
    this.out.text(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
    )
    this.out.flush()
    const rest = this.#pending
    this.#pending = undefined
    this.#state = GONE
    this.#listeners.remove()
    this.#home.deadlines.delete(this)
    this.#home.left(this)
    const socket = this.#socket
    removeReader(socket)
    socket.on('error', () => socket.destroy())
    if (rest !== undefined) socket.unshift(rest)
    upgrade.take(socket)
  }

  /** Pauses the socket while too much is waiting. */
  #regulate(): void {
    if (this.#state === GONE) return
    const isHead = this.#state === READING && !this.#socket.writableNeedDrain
    const pause = !isHead && (this.#pending?.length ?? 0) > PIPELINE_BYTES_MAX
    if (pause === this.#socket.isPaused()) return
    if (pause) this.#socket.pause()
    else this.#socket.resume()
  }

  #isSmall(head: ParsedRequest): boolean {
    return head.contentLength >= 0 && head.contentLength <= DISCARD_BYTES_MAX
  }

  // Ends.

  #report(exchange: ServerExchange): void {
    if (this.#last) return
    const bytes = this.bytesIn + this.out.bytes
    this.#home.handlers.over(exchange, bytes - this.#bytesSeen)
    this.#bytesSeen = bytes
  }

  #drained(): void {
    this.#exchange?.onDrain?.()
    if (this.#state === READING) this.#next()
  }

  #ended(): void {
    if (this.#state === LINGERING) return
    if (this.#state === READING || this.#state === DISCARDING) this.#socket.end()
    else this.#socket.destroy()
  }

  /**
   * Ends the connection behind its last answer: reads and drops what still comes for a while,
   * because closing on unread bytes sends a reset, which can overtake the answer (RFC 9112 §9.6).
   */
  #linger(): void {
    this.#state = LINGERING
    this.#pending = undefined
    this.deadlineMs = this.#home.deadlines.after(this.#home.limits.idleTimeoutMs)
    this.out.flush()
    this.#socket.end()
    this.#socket.resume()
  }

  #finished(): void {
    if (this.#state === LINGERING) this.deadlineMs = this.#home.deadlines.after(LINGER_MS)
  }

  #closed(): void {
    if (this.#state === GONE) return
    this.#state = GONE
    this.#home.deadlines.delete(this)
    const exchange = this.#exchange
    const sink = this.#sink
    this.#exchange = undefined
    this.#sink = undefined
    if (exchange) {
      if (!this.#body.ended) sink?.cut()
      exchange.gone()
      this.#report(exchange)
    }
    this.#home.left(this)
  }
}
