import { STATUS_CODES } from '../node-http.ts'
import type { Outbox } from './outbox.ts'
import type { ParsedRequest } from './request-head.ts'

/** Who takes the body of a request, piece by piece. */
export interface BodySink {
  /** May be kept. */
  data(piece: Buffer): void
  end(): void
  /** It will not come to its end: the sender went away, was too slow, or sent bad chunks. */
  cut(): void
}

/** The connection that a request came on, as the exchange sees it. */
export interface ServerClient {
  readonly out: Outbox
  readonly remoteAddress: string
  /** Bytes that came, since the connection is there. */
  readonly bytesIn: number
  /** Hands the body to `sink` as it comes. */
  receive(sink: BodySink): void
  /** Whether another request may follow the answer that is written now. */
  mayFollow(): boolean
  /** Whether the peer takes more without a pause. */
  flush(): boolean
  /** The answer is written; `keepAlive`: another request may follow. */
  done(keepAlive: boolean): void
  destroy(): void
}

/** How the body of an answer is framed. */
const NONE = 0
const LENGTH = 1
const CHUNKED = 2
const UNTIL_CLOSE = 3

const STATUS_LINES: (string | undefined)[] = []

function statusLine(status: number): string {
  STATUS_LINES[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  return STATUS_LINES[status]
}

let dateLine = ''
let dateSecond = 0

/** The time, which an answer must tell (RFC 9110 §6.6.1). */
function date(): string {
  const second = Math.trunc(Date.now() / 1_000)
  if (second !== dateSecond) {
    dateSecond = second
    dateLine = `date: ${new Date(second * 1_000).toUTCString()}\r\n`
  }
  return dateLine
}

/** One request on a connection of ours, and its answer. */
export class ServerExchange {
  readonly head: ParsedRequest
  /** Whoever asked has gone before the answer was whole. */
  onGone: (() => void) | undefined
  /** The peer takes more again; see `write`. */
  onDrain: (() => void) | undefined
  readonly #client: ServerClient
  readonly #keepAliveLine: string
  #answered = false
  #over = false
  #framing = NONE
  #left = 0
  #last = false

  constructor(client: ServerClient, head: ParsedRequest, keepAliveLine: string) {
    this.#client = client
    this.head = head
    this.#keepAliveLine = keepAliveLine
  }

  get remoteAddress(): string {
    return this.#client.remoteAddress
  }

  /** Whether an answer has begun. */
  get answered(): boolean {
    return this.#answered
  }

  /** Whether it is answered to the end, or nobody waits for the answer any more. */
  get over(): boolean {
    return this.#over
  }

  /** Takes the body; at once or never, for what nobody takes is dropped. */
  receive(sink: BodySink): void {
    this.#client.receive(sink)
  }

  /**
   * Answers whole. `lines`: header lines, names in small letters, each with its CR LF, without
   * framing. A body that is a text is of ASCII. `length`: that of a body that is not sent (HEAD).
   */
  send(status: number, lines: string, body: Uint8Array | string = '', length?: number): void {
    if (this.#answered || this.#over) return
    const bare = status === 204 || status === 304
    const bytes = body.length === 0 ? (length ?? 0) : body.length
    const { out } = this.#client
    out.text(this.#head(status, lines) + (bare ? '\r\n' : `content-length: ${bytes}\r\n\r\n`))
    if (!bare && this.head.method !== 'HEAD' && body.length > 0) {
      if (typeof body === 'string') out.text(body)
      else out.piece(asBuffer(body))
    }
    this.#finish(!this.#last)
  }

  /** Begins an answer whose body comes piece by piece; `length`: its bytes, if they are known. */
  begin(status: number, lines: string, length?: number): void {
    if (this.#answered || this.#over) return
    const { method, minorVersion } = this.head
    let head = ''
    if (status === 204 || status === 304) this.#framing = NONE
    else if (length !== undefined) this.#framing = LENGTH
    else this.#framing = minorVersion === 1 ? CHUNKED : UNTIL_CLOSE
    this.#last = this.#framing === UNTIL_CLOSE
    head += this.#head(status, lines)
    if (this.#framing === LENGTH) head += `content-length: ${length}\r\n`
    else if (this.#framing === CHUNKED) head += 'transfer-encoding: chunked\r\n'
    this.#left = length ?? 0
    if (method === 'HEAD') this.#framing = NONE
    this.#client.out.text(`${head}\r\n`)
    this.#client.flush()
  }

  /** The next piece of the body; false: wait for `onDrain` (or `onGone`). */
  write(piece: Uint8Array): boolean {
    if (this.#over) return true
    if (this.#framing === NONE || piece.length === 0) return true
    const { out } = this.#client
    if (this.#framing === LENGTH) {
      this.#left -= piece.length
      // More than was promised would be read as the next answer.
      if (this.#left < 0) {
        this.destroy()
        return true
      }
    }
    if (this.#framing === CHUNKED) out.text(`${piece.length.toString(16)}\r\n`)
    out.piece(asBuffer(piece))
    if (this.#framing === CHUNKED) out.text('\r\n')
    return this.#client.flush()
  }

  /** The body is whole. */
  end(): void {
    if (this.#over) return
    if (this.#framing === LENGTH && this.#left > 0) {
      this.destroy()
      return
    }
    if (this.#framing === CHUNKED) this.#client.out.text('0\r\n\r\n')
    this.#finish(!this.#last)
  }

  /** Breaks the connection off: the answer must not be taken as whole. */
  destroy(): void {
    this.gone()
    this.#client.destroy()
  }

  // For the connection.

  gone(): void {
    if (this.#over) return
    this.#over = true
    this.onGone?.()
  }

  /** Status line and header lines; decides what becomes of the connection. */
  #head(status: number, lines: string): string {
    this.#answered = true
    this.#last ||= !this.#client.mayFollow()
    const connection = this.#last ? 'connection: close\r\n' : this.#keepAliveLine
    const dated = lines.startsWith('date: ') || lines.includes('\ndate: ')
    return statusLine(status) + lines + (dated ? '' : date()) + connection
  }

  #finish(keepAlive: boolean): void {
    this.#over = true
    this.#client.done(keepAlive)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
