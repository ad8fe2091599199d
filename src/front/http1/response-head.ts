import { AriesError } from '../../errors.ts'
import {
  type ConnectionOptions,
  connectionOptions,
  Fields,
  parseLength,
} from '../../http1/fields.ts'
import {
  ARIES_FAULT,
  ARIES_LOAD,
  ARIES_NODE,
  ARIES_OWNER,
  CONTENT_LENGTH,
  CR,
  FIELD_VALUE,
  KEEP_ALIVE,
  SP,
  TRANSFER_ENCODING,
} from '../../http1/grammar.ts'

/** Thrown as the request side's code; the connection to the target turns it into `ARIES_E_BAD_GATEWAY`. */
function bad(why: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', why)
}

/** A response head of a target, checked as strictly as a request: what is ambiguous is a 502. */
export class ParsedResponse {
  readonly status: number
  readonly reason: string
  readonly fields: Fields
  readonly connection: ConnectionOptions
  /** -1 when none is given. */
  readonly contentLength: number
  readonly chunked: boolean
  readonly owner: string | undefined
  readonly fault: string | undefined
  readonly load: string | undefined
  /** Whether it says which node answered. */
  readonly namesNode: boolean
  /** Whether the target will take another request on the connection. */
  readonly keepAlive: boolean
  /** `timeout` of its `Keep-Alive` in milliseconds, -1 when it says none. */
  readonly keepAliveMs: number
  /** HTTP/2: it is all of the response. */
  readonly ended: boolean

  /** `text`: the whole head in latin1, with its empty line. Throws when it is not strict HTTP/1. */
  constructor(text: string, ended = false) {
    this.ended = ended
    const minorVersion = text.startsWith('HTTP/1.1 ') ? 1 : text.startsWith('HTTP/1.0 ') ? 0 : -1
    if (minorVersion < 0) throw bad('bad status line')
    const digits = text.slice(9, 12)
    this.status = digits.length === 3 ? parseLength(digits) : -1
    if (this.status < 100 || this.status > 599) throw bad('bad status')
    let at = 12
    if (text.charCodeAt(at) === SP) at++
    else if (text.charCodeAt(at) !== CR) throw bad('bad status line')
    const reasonStart = at
    while (FIELD_VALUE[text.charCodeAt(at)] === 1) at++
    if (text.charCodeAt(at) !== CR) throw bad('bad reason')
    this.reason = text.slice(reasonStart, at)
    this.fields = new Fields(text, at + 2)
    this.connection = connectionOptions(this.fields)
    this.keepAlive = !this.connection.close && (minorVersion === 1 || this.connection.keepAlive)
    let lengths = 0
    let codings = 0
    let contentLength = -1
    let owner: string | undefined
    let fault: string | undefined
    let load: string | undefined
    let keepAliveMs = -1
    let namesNode = false
    for (let i = 0; i < this.fields.count; i++) {
      const kind = this.fields.kind(i)
      if (kind === CONTENT_LENGTH) {
        lengths++
        contentLength = parseLength(this.fields.value(i))
        if (contentLength < 0) throw bad('Content-Length is not a decimal number')
      } else if (kind === TRANSFER_ENCODING) {
        codings++
        if (this.fields.value(i).toLowerCase() !== 'chunked') throw bad('unknown Transfer-Encoding')
      } else if (kind === ARIES_OWNER) owner = this.fields.value(i)
      else if (kind === ARIES_FAULT) fault = this.fields.value(i)
      else if (kind === ARIES_LOAD) load = this.fields.value(i)
      else if (kind === ARIES_NODE) namesNode = true
      else if (kind === KEEP_ALIVE) keepAliveMs = keepAliveTimeoutMs(this.fields.value(i))
    }
    if (lengths > 1) throw bad('more than one Content-Length')
    if (codings > 1) throw bad('more than one Transfer-Encoding')
    if (codings > 0 && lengths > 0) throw bad('Content-Length beside Transfer-Encoding')
    if (codings > 0 && minorVersion === 0) throw bad('Transfer-Encoding in HTTP/1.0')
    this.contentLength = contentLength
    this.chunked = codings > 0
    this.owner = owner
    this.fault = fault
    this.load = load
    this.namesNode = namesNode
    this.keepAliveMs = keepAliveMs
  }

  get interim(): boolean {
    return this.status < 200
  }

  /** Whether the status forbids a body and its framing headers (RFC 9110 §8.6). */
  get bodiless(): boolean {
    return this.status < 200 || this.status === 204 || this.status === 304
  }
}

const TIMEOUT = /(?:^|[,\s])timeout=(\d{1,6})/i

function keepAliveTimeoutMs(value: string): number {
  const match = TIMEOUT.exec(value)
  return match ? Number(match[1]) * 1_000 : -1
}
