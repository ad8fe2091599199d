import type { ServerHttp2Stream } from 'node:http2'
import type { ClientRequest } from '../http1/client-request.ts'
import type { Reply } from '../http1/reply.ts'
import type { ParsedResponse } from '../http1/response-head.ts'
import type { ResponseWriter } from '../http1/response-writer.ts'
import { respond } from './respond.ts'
import {
  grpcReplyHeaders,
  interimHeaders,
  replyHeaders,
  responseHeaders,
  trailerHeaders,
} from './response-headers.ts'

/** What a plain answer to an extended CONNECT is when it says 2xx, which would open a tunnel. */
const NO_TUNNEL = 501

/** Responses as HTTP/2 frames. A stream that was closed meanwhile swallows them. */
export class Http2Writer implements ResponseWriter {
  readonly #stream: ServerHttp2Stream
  readonly #nodePairs: readonly (readonly [string, string])[]
  #trailers = ''
  #bytes = 0

  constructor(stream: ServerHttp2Stream, nodePairs: readonly (readonly [string, string])[]) {
    this.#stream = stream
    this.#nodePairs = nodePairs
  }

  /** Bytes of bodies that were written since the last call. */
  takeBytes(): number {
    const bytes = this.#bytes
    this.#bytes = 0
    return bytes
  }

  interim(response: ParsedResponse): void {
    if (this.#isOpen) this.#stream.additionalHeaders(interimHeaders(response))
  }

  begin(request: ClientRequest, response: ParsedResponse, bodiless: boolean): void {
    if (!this.#isOpen) return
    const endStream = bodiless || response.ended
    // Trailers are known at the end: a body with a length hardly has any.
    const waitForTrailers = !endStream && (response.contentLength < 0 || request.isGrpc)
    if (waitForTrailers) {
      this.#stream.once('wantTrailers', () => {
        if (this.#isOpen) this.#stream.sendTrailers(trailerHeaders(this.#trailers))
      })
    }
    const headers = responseHeaders(response, this.#nodePairs)
    respond(this.#stream, headers, { endStream, waitForTrailers })
  }

  piece(piece: Buffer): void {
    if (!this.#isOpen) return
    this.#bytes += piece.length
    this.#stream.write(piece)
  }

  end(trailers: string): void {
    this.#trailers = trailers
    if (this.#isOpen) this.#stream.end()
  }

  reply(request: ClientRequest | undefined, reply: Reply): number {
    if (!this.#isOpen) return 0
    if (request?.isGrpc === true && reply.error !== undefined) {
      respond(this.#stream, grpcReplyHeaders(reply.error, reply, this.#nodePairs), {
        endStream: true,
      })
      return 0
    }
    const isConnect = request?.upgrade !== undefined
    const status = isConnect && reply.status < 300 ? NO_TUNNEL : reply.status
    const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : Buffer.from(reply.body)
    const headers = replyHeaders({ ...reply, status }, body.length, this.#nodePairs)
    const bodiless =
      request?.method === 'HEAD' || status === 204 || status === 304 || body.length === 0
    respond(this.#stream, headers, { endStream: bodiless })
    if (bodiless) return 0
    this.#bytes += body.length
    this.#stream.end(body)
    return body.length
  }

  get #isOpen(): boolean {
    return !this.#stream.destroyed && !this.#stream.closed
  }
}
