import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import { type Deadlines, NEVER, type Timed } from '../../http1/deadlines.ts'
import type { Target } from '../plan.ts'
import {
  PROBE_MS,
  SESSION_IDLE_MS,
  SESSION_MEMORY_MB,
  TARGET_STREAMS_MAX,
  TARGET_WINDOW_BYTES,
} from './limits.ts'
import { type StreamSession, UpstreamStream } from './upstream-stream.ts'

/** Where a session belongs: the sessions with its target. */
export interface SessionHome {
  opened(): void
  /** It takes a stream more than before. */
  hasRoom(): void
  /** Once. `connecting`: it never came to be. */
  gone(session: UpstreamSession, error: Error | undefined, connecting: boolean): void
}

const OPTIONS = {
  settings: { enablePush: false, initialWindowSize: TARGET_WINDOW_BYTES },
  maxSessionMemory: SESSION_MEMORY_MB,
  strictSingleValueFields: false,
}

/** One HTTP/2 connection to a target. */
export class UpstreamSession implements StreamSession, Timed {
  readonly target: Target
  deadlineMs: number
  reused = false
  readonly #startedMs = performance.now()
  readonly #home: SessionHome
  readonly #deadlines: Deadlines
  readonly #session: ClientHttp2Session
  readonly #streams = new Set<UpstreamStream>()
  #connecting = true
  #gone = false
  /** Of a GOAWAY: the last stream that the target began with. */
  #lastStreamId = Number.POSITIVE_INFINITY

  constructor(target: Target, home: SessionHome, deadlines: Deadlines, connectTimeoutMs: number) {
    this.target = target
    this.#home = home
    this.#deadlines = deadlines
    this.deadlineMs = deadlines.after(connectTimeoutMs)
    const socket = target.http2!() as Socket
    const scheme = target.secure === true ? 'https' : 'http'
    const session = connect(`${scheme}://localhost`, { ...OPTIONS, createConnection: () => socket })
    this.#session = session
    // Who answers with settings speaks HTTP/2, and says how many streams it takes.
    session.once('remoteSettings', () => this.#opened())
    session.on('goaway', (_code, lastStreamId) => {
      this.#lastStreamId = lastStreamId
    })
    let error: Error | undefined
    session.on('error', (thrown) => {
      error = thrown
    })
    socket.on('error', (thrown) => {
      error = thrown
    })
    session.once('close', () => this.#closed(error))
    deadlines.add(this)
  }

  get hasRoom(): boolean {
    if (this.#connecting || this.#session.closed || this.#session.destroyed) return false
    const { maxConcurrentStreams = TARGET_STREAMS_MAX } = this.#session.remoteSettings
    return this.#streams.size < Math.min(maxConcurrentStreams, TARGET_STREAMS_MAX)
  }

  get connecting(): boolean {
    return this.#connecting
  }

  open(): UpstreamStream {
    const stream = new UpstreamStream(this, this.#deadlines)
    this.#streams.add(stream)
    this.deadlineMs = NEVER
    return stream
  }

  /** No new streams; ends when those that run have ended. */
  close(): void {
    if (!this.#session.closed) this.#session.close()
  }

  destroy(): void {
    this.#session.destroy()
  }

  targetDown(): void {
    for (const stream of Array.from(this.#streams)) stream.targetDown()
    if (this.#streams.size === 0) this.destroy()
  }

  expired(): void {
    this.deadlineMs = NEVER
    if (this.#connecting) this.#session.destroy(new Error('connecting took too long'))
    else if (this.#streams.size === 0) this.close()
    else this.#session.destroy(new Error('it answers nothing'))
  }

  // For its streams.

  request(headers: string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream, waitForTrailers })
    this.reused = true
    return stream
  }

  isUnprocessed({ id, rstCode }: ClientHttp2Stream): boolean {
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM) return true
    return id === undefined || id > this.#lastStreamId
  }

  /** When it does not answer a ping either, all its streams fail. */
  probe(): void {
    if (this.#session.closed || this.deadlineMs !== NEVER) return
    this.deadlineMs = this.#deadlines.after(PROBE_MS)
    this.#session.ping(() => {
      if (this.#streams.size > 0) this.deadlineMs = NEVER
    })
  }

  ended(stream: UpstreamStream): void {
    this.#streams.delete(stream)
    if (this.#gone) return
    if (this.#streams.size === 0) this.deadlineMs = this.#deadlines.after(SESSION_IDLE_MS)
    this.#home.hasRoom()
  }

  #opened(): void {
    this.#connecting = false
    this.target.meter?.opened(performance.now() - this.#startedMs)
    this.deadlineMs = this.#deadlines.after(SESSION_IDLE_MS)
    this.#home.opened()
  }

  #closed(error: Error | undefined): void {
    this.#gone = true
    this.#deadlines.delete(this)
    this.#home.gone(this, error, this.#connecting)
  }
}
