import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { NEVER, type Timed } from '../../http1/deadlines.ts'
import { FIELDS_MAX, LINGER_MS } from '../../http1/limits.ts'
import type { ClientHome, ClientLink } from '../http1/client-connection.ts'
import type { EngineContext } from '../http1/context.ts'
import { Peer } from '../http1/peer.ts'
import type { Tunnel } from '../http1/tunnel.ts'
import { ClientStream, type StreamHome } from './client-stream.ts'
import { CONTROL_FRAMES_MAX, CONTROL_WINDOW_MS, END_STREAM } from './limits.ts'

/** The last stream that there could be. */
const LAST_STREAM = 2 ** 31 - 1
/** Requests that were on their way when the client was told have come by then. */
const ROUND_TRIP_MS = 1_000

/** One HTTP/2 connection of a client: its limits, and its end. */
export class Http2Connection implements ClientLink, StreamHome, Timed {
  readonly peer: Peer
  readonly nodePairs: readonly (readonly [string, string])[]
  deadlineMs: number
  readonly #engine: EngineContext
  readonly #home: ClientHome
  readonly #session: ServerHttp2Session
  #streams = 0
  #controlFrames = 0
  #controlUntilMs = 0

  constructor(engine: EngineContext, socket: Socket, home: ClientHome) {
    this.#engine = engine
    this.#home = home
    this.peer = new Peer(engine, socket)
    this.nodePairs = engine.nodePairs
    this.deadlineMs = engine.deadlines.after(engine.init.idleTimeoutMs)
    const session = performServerHandshake(socket, optionsOf(engine.init))
    this.#session = session
    session.on('stream', (stream, _headers, flags, raw) => this.#stream(stream, flags, raw))
    session.on('ping', () => this.#controlFrame())
    session.on('remoteSettings', () => this.#controlFrame())
    session.on('error', () => {})
    session.once('close', () => this.#closed())
    engine.deadlines.add(this)
  }

  /** GOAWAY: the client hears which of its requests are served still, and opens no more. */
  /** `gently`: first without an end, for requests may be on their way (RFC 9113 §6.8). */
  shutDown(gently = false): void {
    if (this.#session.closed) return
    if (gently) {
      this.#session.goaway(0, LAST_STREAM)
      setTimeout(() => this.shutDown(), ROUND_TRIP_MS).unref()
      return
    }
    this.#session.close()
    if (this.#streams === 0) this.deadlineMs = this.#engine.deadlines.after(LINGER_MS)
  }

  destroy(): void {
    this.#session.destroy()
  }

  expired(): void {
    this.deadlineMs = NEVER
    if (this.#session.closed) this.#session.destroy()
    else this.shutDown()
  }

  tunnelBegan(tunnel: Tunnel): void {
    this.#home.tunnelBegan(tunnel)
  }

  tunnelEnded(tunnel: Tunnel): void {
    this.#home.tunnelEnded(tunnel)
  }

  #stream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#streams++
    this.deadlineMs = NEVER
    stream.once('close', () => this.#streamClosed())
    const bodyEnded = (flags & END_STREAM) !== 0
    new ClientStream(this.#engine, stream, { home: this, bodyEnded }).begin(raw)
  }

  #streamClosed(): void {
    if (--this.#streams > 0) return
    const { deadlines, init } = this.#engine
    this.deadlineMs = deadlines.after(this.#session.closed ? LINGER_MS : init.idleTimeoutMs)
  }

  /** Each costs an answer: who sends nothing else is after that. */
  #controlFrame(): void {
    const { nowMs } = this.#engine.deadlines
    if (nowMs >= this.#controlUntilMs) {
      this.#controlUntilMs = nowMs + CONTROL_WINDOW_MS
      this.#controlFrames = 0
    }
    if (++this.#controlFrames > CONTROL_FRAMES_MAX) {
      this.#session.destroy(new Error('too many control frames'), ENHANCE_YOUR_CALM)
    }
  }

  #closed(): void {
    this.#engine.deadlines.delete(this)
    this.#home.left(this)
  }
}

const { NGHTTP2_ENHANCE_YOUR_CALM: ENHANCE_YOUR_CALM } = constants

function optionsOf({ headBytesMax, http2 }: EngineContext['init']) {
  return {
    settings: {
      maxConcurrentStreams: http2.streamsMax,
      initialWindowSize: http2.windowBytes,
      maxHeaderListSize: headBytesMax,
      enableConnectProtocol: true,
    },
    // Pseudo-headers are not lines.
    maxHeaderListPairs: FIELDS_MAX + 5,
    maxSessionMemory: http2.sessionMemoryMb,
    streamResetBurst: http2.resetsBurst,
    streamResetRate: http2.resetsPerSecond,
    // What a target sends twice is passed on twice.
    strictSingleValueFields: false,
  }
}
