import { constants, type ServerHttp2Stream } from 'node:http2'
import { toAriesError } from '../../errors.ts'
import { NEVER, type Timed } from '../../http1/deadlines.ts'
import { Listeners } from '../../http1/listeners.ts'
import { checkUnfinishedHead } from '../../http1/request-head.ts'
import { ClientRequest } from '../http1/client-request.ts'
import type { EngineContext } from '../http1/context.ts'
import { Exchange } from '../http1/exchange.ts'
import type { ExchangeClient } from '../http1/exchange-client.ts'
import type { Peer } from '../http1/peer.ts'
import { refuse, tooSlow } from '../http1/refusal.ts'
import type { ParsedResponse } from '../http1/response-head.ts'
import { Tunnel } from '../http1/tunnel.ts'
import type { UpstreamLink } from '../http1/upstream-link.ts'
import type { Plan } from '../plan.ts'
import { limitText } from '../route-terms.ts'
import { requestText } from './request-text.ts'
import { respond } from './respond.ts'
import { tunnelHeaders } from './response-headers.ts'
import { Http2Writer } from './response-writer.ts'
import { trailerLines } from './trailers.ts'
import { UpgradedStream } from './upgraded-stream.ts'
import { acceptsKey } from './websocket-key.ts'

/** What a stream needs of its connection. */
export interface StreamHome {
  readonly peer: Peer
  readonly nodePairs: readonly (readonly [string, string])[]
  tunnelBegan(tunnel: Tunnel): void
  tunnelEnded(tunnel: Tunnel): void
}

const BUSY = 0
/** The response is written, and on its way. */
const ANSWERED = 1
const GONE = 2

/** One request of an HTTP/2 client and its response. */
export class ClientStream implements ExchangeClient, Timed {
  readonly response: Http2Writer
  readonly peer: Peer
  deadlineMs = NEVER
  bodyEnded: boolean
  trailers = ''
  readonly #engine: EngineContext
  readonly #home: StreamHome
  readonly #stream: ServerHttp2Stream
  readonly #listeners: Listeners
  #head: ClientRequest | undefined
  #exchange: Exchange | undefined
  #state = BUSY
  #held = false

  constructor(
    engine: EngineContext,
    stream: ServerHttp2Stream,
    { home, bodyEnded }: { readonly home: StreamHome; readonly bodyEnded: boolean },
  ) {
    this.#engine = engine
    this.#home = home
    this.#stream = stream
    this.peer = home.peer
    this.bodyEnded = bodyEnded
    this.response = new Http2Writer(stream, home.nodePairs)
    this.#listeners = new Listeners(stream, [
      ['trailers', (_: unknown, __: number, raw: string[]) => this.#trailers(raw)],
      ['end', () => this.#ended()],
      ['drain', () => this.#drained()],
      ['error', () => {}],
      ['close', () => this.#closed()],
    ])
    engine.deadlines.add(this)
  }

  /** `raw`: the head, names and values by turns. */
  begin(raw: readonly string[]): void {
    let head: ClientRequest
    try {
      const { text, connect } = requestText(raw, this.bodyEnded)
      this.#engine.stats.bytesIn += text.length
      // What the connection allows holds only when the client has acknowledged it.
      checkUnfinishedHead(text.length, true, this.#engine.init.headBytesMax, 'front.headBytesMax')
      const { address, scheme, trust } = this.peer
      head = new ClientRequest(text, address, scheme, trust, true)
      this.#engine.marks?.mark(head, trust !== undefined)
      head.recording = this.#engine.recorder?.begin(head, trust !== undefined)
      if (connect) this.bodyEnded = true
    } catch (thrown) {
      refuse(this.#engine, this, toAriesError(thrown), '2.0')
      this.#answered()
      return
    }
    this.#head = head
    if (head.upgrade === undefined) this.#stream.on('data', this.#data)
    const exchange = new Exchange(this.#engine, this, head)
    this.#exchange = exchange
    exchange.begin()
    if (this.#exchange === exchange) this.#arm()
  }

  expired(): void {
    this.deadlineMs = NEVER
    if (this.#state === BUSY && !this.#stream.writableNeedDrain) {
      const { times } = this.#exchange ?? this.#engine
      this.#exchange?.fail(tooSlow('body', limitText(times, 'bodyIdleTimeoutMs')))
    } else this.#stream.close(constants.NGHTTP2_CANCEL)
  }

  // For the exchange.

  forwarded(head: ClientRequest): string {
    return this.peer.forwarded(head)
  }

  feed(): void {}

  dropBody(): boolean {
    return this.bodyEnded
  }

  hold(): void {
    if (!this.#held) {
      this.#held = true
      this.#stream.pause()
    }
    this.#arm()
  }

  release(): void {
    if (this.#held) {
      this.#held = false
      this.#stream.resume()
    }
    this.#arm()
  }

  flush(): boolean {
    this.#engine.stats.bytesOut += this.response.takeBytes()
    this.#arm()
    return !this.#stream.writableNeedDrain
  }

  exchangeDone(): void {
    this.#answered()
  }

  cut(): void {
    this.#exchange = undefined
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  take(take: Extract<Plan, { kind: 'take' }>['take']): void {
    this.#detach()
    const upgraded = new UpgradedStream(this.#stream)
    try {
      take(upgraded, Buffer.alloc(0))
    } catch (thrown) {
      upgraded.destroy()
      throw thrown
    }
  }

  tunnel(response: ParsedResponse, link: UpstreamLink, ended: () => void): void {
    const stream = this.#stream
    const { tunnelIdleTimeoutMs } = (this.#exchange ?? this.#engine).times
    const key = this.#head!.fields.get('sec-websocket-key') ?? ''
    this.#detach()
    const fromTarget = link.detach()
    const ends = { client: stream, target: link.stream }
    const tunnel = new Tunnel(this.#engine, ends, tunnelIdleTimeoutMs, () => {
      this.#home.tunnelEnded(tunnel)
      ended()
    })
    this.#home.tunnelBegan(tunnel)
    tunnel.begin(undefined, undefined)
    // The client has no key of its own to check it by.
    if (stream.destroyed || !acceptsKey(response.fields.get('sec-websocket-accept'), key)) {
      tunnel.destroy()
      return
    }
    respond(stream, tunnelHeaders(response, this.#home.nodePairs))
    if (fromTarget !== undefined && fromTarget.length > 0) stream.write(fromTarget)
  }

  // The stream.

  readonly #data = (piece: Buffer): void => {
    this.#engine.stats.bytesIn += piece.length
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.clientData(piece)
    exchange.clientFlush()
    this.#arm()
  }

  #trailers(raw: readonly string[]): void {
    try {
      this.trailers = trailerLines(raw)
    } catch (thrown) {
      this.#exchange?.fail(toAriesError(thrown))
    }
  }

  #ended(): void {
    if (this.bodyEnded) return
    this.bodyEnded = true
    this.#exchange?.clientEnd()
    this.#exchange?.clientFlush()
    this.#arm()
  }

  #drained(): void {
    this.#exchange?.clientDrained()
    this.#arm()
  }

  /** The time limit of a running exchange: for the next piece of a body, either way. */
  #arm(): void {
    if (this.#state !== BUSY) return
    const waiting = this.#stream.writableNeedDrain || (!this.bodyEnded && !this.#held)
    const { times } = this.#exchange ?? this.#engine
    this.deadlineMs = waiting ? this.#engine.deadlines.after(this.#head!.idleMs(times)) : NEVER
  }

  /** What the client has not read by then is not worth a stream. */
  #answered(): void {
    this.#exchange = undefined
    if (this.#state !== BUSY) return
    this.#state = ANSWERED
    const { deadlines, times } = this.#engine
    this.deadlineMs = deadlines.after(times.bodyIdleTimeoutMs)
    if (this.bodyEnded) {
      // Only what is read to its end closes.
      this.#stream.resume()
      return
    }
    // RFC 9113 §8.1: the rest of the body is not wanted.
    const close = (): void => this.#stream.close(constants.NGHTTP2_NO_ERROR)
    if (this.#stream.writableFinished) close()
    else this.#stream.once('finish', close)
  }

  #detach(): void {
    this.#state = GONE
    this.#exchange = undefined
    this.#listeners.remove()
    this.#stream.on('error', () => {})
    this.#engine.deadlines.delete(this)
  }

  #closed(): void {
    this.#engine.deadlines.delete(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#state = GONE
    exchange?.clientGone()
  }
}
