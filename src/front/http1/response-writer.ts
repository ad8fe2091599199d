import { type Outbox, writePiece } from '../../http1/outbox.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import { type Framing, interimHeadText, responseHeadText } from './head-edit.ts'
import { type Reply, replyText } from './reply.ts'
import type { ParsedResponse } from './response-head.ts'

/** The way of a response to a client, whatever version of HTTP it speaks. */
export interface ResponseWriter {
  /** A 1xx of the target. */
  interim(response: ParsedResponse): void
  /** The head of the target's response. `bodiless`: no body follows; `bodyEnded`: of the request. */
  begin(
    request: ClientRequest,
    response: ParsedResponse,
    bodiless: boolean,
    bodyEnded: boolean,
  ): void
  piece(piece: Buffer): void
  /** The response is complete. `trailers`: lines, each with its CR LF. */
  end(trailers: string): void
  /**
   * A whole response of the engine's own; returns the bytes of its body. `request` is undefined when
   * none could be read; `bodyEnded`: nothing of its body is still to come.
   */
  reply(request: ClientRequest | undefined, reply: Reply, bodyEnded: boolean): number
}

/** Responses as HTTP/1 text. */
export class Http1Writer implements ResponseWriter {
  readonly out: Outbox
  /** Whether the connection closes behind the response. */
  last = false
  readonly #engine: EngineContext
  #chunked = false

  constructor(engine: EngineContext, out: Outbox) {
    this.#engine = engine
    this.out = out
  }

  interim(response: ParsedResponse): void {
    this.out.text(interimHeadText(response, this.#engine.nodeLine))
  }

  begin(
    request: ClientRequest,
    response: ParsedResponse,
    bodiless: boolean,
    bodyEnded: boolean,
  ): void {
    const framing = framingOf(request, response, bodiless)
    this.#chunked = framing === 'chunked'
    this.last = framing === 'until-close' || this.#closes(request, bodyEnded)
    this.out.text(responseHeadText(response, request, framing, this.last, this.#engine.nodeLine))
  }

  piece(piece: Buffer): void {
    writePiece(this.out, piece, this.#chunked)
  }

  end(trailers: string): void {
    if (this.#chunked) this.out.text(`0\r\n${trailers}\r\n`)
  }

  reply(request: ClientRequest | undefined, reply: Reply, bodyEnded: boolean): number {
    this.last = this.#closes(request, bodyEnded)
    return replyText(this.out, reply, request, this.last, this.#engine.nodeLine)
  }

  #closes(request: ClientRequest | undefined, bodyEnded: boolean): boolean {
    return !bodyEnded || request?.keepAlive !== true || this.#engine.closing
  }
}

function framingOf(request: ClientRequest, response: ParsedResponse, bodiless: boolean): Framing {
  if (bodiless) return 'none'
  if (response.contentLength >= 0) return 'length'
  return response.chunked && request.minorVersion === 1 ? 'chunked' : 'until-close'
}
