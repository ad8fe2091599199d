import { type ClientHttp2Stream, constants } from 'node:http2'
import { type AriesError, toAriesError } from '../../errors.ts'
import { type Deadlines, NEVER, type Timed } from '../../http1/deadlines.ts'
import type { ClientRequest } from '../http1/client-request.ts'
import type { ParsedResponse } from '../http1/response-head.ts'
import { failure } from '../http1/upstream-connection.ts'
import type { UpstreamLink, UpstreamUser } from '../http1/upstream-link.ts'
import type { Target } from '../plan.ts'
import { END_STREAM } from './limits.ts'
import { trailerHeaders } from './response-headers.ts'
import { trailerLines } from './trailers.ts'
import { parseResponse, requestHeaders } from './upstream-headers.ts'

/** The connection that a stream is one of. */
export interface StreamSession {
  readonly target: Target
  /** Whether it has carried another stream before. */
  readonly reused: boolean
  request(headers: string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream
  /** Whether the target says that it did not begin with that stream. */
  isUnprocessed(stream: ClientHttp2Stream): boolean
  /** A stream had no answer in time: is anybody there? */
  probe(): void
  /** The stream is over. */
  ended(link: UpstreamStream): void
}

/** One request to a target that speaks HTTP/2. */
export class UpstreamStream implements UpstreamLink, Timed {
  deadlineMs = NEVER
  sentAll = false
  readonly reused: boolean
  readonly #session: StreamSession
  readonly #deadlines: Deadlines
  #stream: ClientHttp2Stream | undefined
  #user: UpstreamUser | undefined
  #isHead = false
  #trailersOut = ''
  #trailersIn = ''
  #error: Error | undefined
  #over = false

  constructor(session: StreamSession, deadlines: Deadlines) {
    this.#session = session
    this.#deadlines = deadlines
    this.reused = session.reused
    deadlines.add(this)
  }

  get stream(): ClientHttp2Stream {
    return this.#stream!
  }

  assign(user: UpstreamUser): void {
    this.#user = user
  }

  begin(head: ClientRequest, target: Target, forwarded: string, askContinue: boolean): void {
    const headers = requestHeaders(head, target, forwarded, askContinue)
    this.#isHead = head.method === 'HEAD'
    const stream = this.#session.request(headers, !head.hasBody, head.chunked)
    this.#stream = stream
    stream.on('headers', (_all, _flags, raw) => this.#head(raw, false))
    stream.on('response', (_all, flags, raw) => this.#head(raw, (flags & END_STREAM) !== 0))
    stream.on('trailers', (_all, _flags, raw) => this.#trailers(raw))
    stream.on('end', () => this.#complete())
    stream.on('drain', () => this.#user?.upstreamDrain())
    stream.on('error', (error) => {
      this.#error = error
    })
    stream.on('close', () => this.#closed())
    if (head.chunked) {
      stream.on('wantTrailers', () => stream.sendTrailers(trailerHeaders(this.#trailersOut)))
    }
  }

  piece(piece: Buffer): void {
    if (this.#isOpen) this.stream.write(piece)
  }

  end(trailers: string): void {
    this.sentAll = true
    this.#trailersOut = trailers
    if (this.#isOpen) this.stream.end()
  }

  flush(): boolean {
    return !this.#isOpen || !this.stream.writableNeedDrain
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  abandon(): void {
    this.#user = undefined
    if (this.#stream === undefined) this.#finish()
    else this.#stream.close(constants.NGHTTP2_CANCEL)
  }

  discard(): void {
    this.abandon()
  }

  detach(): Buffer | undefined {
    throw new Error('HTTP/2 does not switch protocols')
  }

  expired(): void {
    this.deadlineMs = NEVER
    this.#session.probe()
    this.#user?.upstreamExpired()
  }

  /** Gossip found the target dead. */
  targetDown(): void {
    this.#user?.upstreamDown()
  }

  get #isOpen(): boolean {
    const stream = this.stream
    return !stream.destroyed && !stream.closed && !stream.writableEnded
  }

  #head(raw: readonly string[], ended: boolean): void {
    const user = this.#user
    if (user === undefined) return
    let response: ParsedResponse
    try {
      response = parseResponse(raw, ended, this.#isHead)
      if (response.status === 101) throw new Error('it switched protocols')
      user.upstreamHead(response)
    } catch (thrown) {
      this.#spoke(toAriesError(thrown).message)
      return
    }
    // Pieces are asked for now: none must come before the head.
    if (!response.interim && this.#user !== undefined) {
      this.stream.on('data', (piece: Buffer) => {
        this.#user?.upstreamData(piece)
        this.#user?.upstreamFlush()
      })
    }
    user.upstreamFlush()
  }

  #trailers(raw: readonly string[]): void {
    try {
      this.#trailersIn = trailerLines(raw)
    } catch (thrown) {
      this.#spoke(toAriesError(thrown).message)
    }
  }

  #spoke(why: string): void {
    const user = this.#user
    this.#user = undefined
    const error = new Error(`its answer is not strict HTTP: ${why}`)
    this.stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
    user?.upstreamFailed(failure(this.#session.target, error, false), true)
  }

  /** The target has said all. */
  #complete(): void {
    if (this.stream.rstCode !== constants.NGHTTP2_NO_ERROR || this.stream.aborted) return
    const user = this.#user
    this.#user = undefined
    this.deadlineMs = NEVER
    // What the target does not wait for is not sent (RFC 9113 §8.1).
    if (!this.sentAll) this.stream.close(constants.NGHTTP2_CANCEL)
    user?.upstreamEnd(this.#trailersIn)
  }

  #closed(): void {
    const user = this.#user
    this.#user = undefined
    this.#finish()
    if (user === undefined) return
    const { rstCode } = this.stream
    const cause = this.#error ?? new Error(`it reset the stream (code ${rstCode})`)
    const error: AriesError = failure(this.#session.target, cause, false)
    user.upstreamFailed(error, false, this.#session.isUnprocessed(this.stream))
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#deadlines.delete(this)
    this.#session.ended(this)
  }
}
