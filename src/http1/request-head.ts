import { AriesError } from '../errors.ts'
import { type ConnectionOptions, connectionOptions, Fields, parseLength } from './fields.ts'
import {
  CONTENT_LENGTH,
  EXPECT,
  HOST,
  isHost,
  isToken,
  SP,
  TARGET,
  TOKEN,
  TRANSFER_ENCODING,
  UPGRADE,
} from './grammar.ts'
import { FIELDS_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX } from './limits.ts'

function bad(why: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', why)
}

/**
 * A request head, checked: whatever two parsers could read differently was refused
 * (RFC 9112 §3, §5, §6; RFC 9110 §7.2).
 */
export class ParsedRequest {
  readonly method: string
  /** Origin-form: path and query as sent (absolute-form is already reduced). */
  readonly target: string
  /** `target` up to the first `?`. */
  readonly path: string
  readonly minorVersion: 0 | 1
  /** Value of `Upgrade` when the client asks for one (and `Connection` names it). */
  readonly upgrade: string | undefined
  readonly fields: Fields
  readonly connection: ConnectionOptions
  /** Host of the request, of an absolute-form target before the Host line; '' in HTTP/1.0 without. */
  readonly host: string
  /** Whether the Host line says something else than `host` and must not be passed on. */
  readonly hostReplaced: boolean
  /** Body length, -1 when none is given. */
  readonly contentLength: number
  readonly chunked: boolean
  readonly expectContinue: boolean

  /**
   * `text`: the whole head in latin1, with its empty line; `fieldsMax`: the most header lines. Throws
   * the `AriesError` to answer with.
   */
  constructor(text: string, fieldsMax = FIELDS_MAX) {
    let at = 0
    while (TOKEN[text.charCodeAt(at)] === 1) at++
    if (at === 0 || at > METHOD_BYTES_MAX || text.charCodeAt(at) !== SP) throw bad('bad method')
    this.method = text.slice(0, at)
    const targetStart = ++at
    while (TARGET[text.charCodeAt(at)] === 1) at++
    if (at - targetStart > TARGET_BYTES_MAX) throw targetTooLong()
    if (at === targetStart || text.charCodeAt(at) !== SP) throw bad('bad request target')
    this.minorVersion = parseVersion(text, at + 1)
    this.fields = new Fields(text, at + 11, fieldsMax)
    const form = parseTarget(this.method, text.slice(targetStart, at))
    this.target = form.target
    const query = form.target.indexOf('?')
    this.path = query < 0 ? form.target : form.target.slice(0, query)
    const framing = parseFraming(this.fields, this.minorVersion)
    this.hostReplaced = form.authority !== undefined && form.authority !== framing.host
    this.host = form.authority ?? framing.host
    this.contentLength = framing.contentLength
    this.chunked = framing.chunked
    this.connection = connectionOptions(this.fields)
    this.expectContinue = framing.expectContinue && this.minorVersion === 1 && this.hasBody
    this.upgrade = this.minorVersion === 1 ? this.#upgrade(framing.upgrade) : undefined
    if (this.method === 'TRACE' && this.hasBody) throw bad('TRACE has a body')
  }

  get hasBody(): boolean {
    return this.chunked || this.contentLength > 0
  }

  /** Whether the client wants to send another request after this one. */
  get keepAlive(): boolean {
    if (this.connection.close) return false
    return this.minorVersion === 1 || this.connection.keepAlive
  }

  /**
   * One protocol at a time, and never h2c: a tunnel of HTTP/2 would carry requests past the routes.
   */
  #upgrade(value: string | undefined): string | undefined {
    if (value === undefined || !this.connection.upgrade) return undefined
    const [name = '', version = '1'] = value.split('/', 2)
    if (!isToken(name) || !isToken(version) || name.toLowerCase() === 'h2c') return undefined
    return value
  }
}

function targetTooLong(): AriesError {
  return new AriesError(
    'ARIES_E_URI_TOO_LONG',
    `the request target is longer than ${TARGET_BYTES_MAX} bytes`,
  )
}

/**
 * Throws what to answer to a head that has grown past `bytesMax` without an end; `limit` says where
 * that is set.
 */
export function checkUnfinishedHead(
  bytes: number,
  hasLine: boolean,
  bytesMax: number,
  limit: string,
): void {
  if (!hasLine && bytes > TARGET_BYTES_MAX + METHOD_BYTES_MAX + 16) throw targetTooLong()
  if (bytes > bytesMax) {
    throw new AriesError(
      'ARIES_E_HEAD_TOO_LARGE',
      `the head is larger than ${bytesMax} bytes (${limit})`,
    )
  }
}

function parseVersion(text: string, at: number): 0 | 1 {
  if (text.startsWith('HTTP/1.1\r\n', at)) return 1
  if (text.startsWith('HTTP/1.0\r\n', at)) return 0
  throw bad('bad request line: it must end with HTTP/1.1 or HTTP/1.0')
}

const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i

function parseTarget(
  method: string,
  raw: string,
): { target: string; authority: string | undefined } {
  if (method === 'CONNECT') throw bad('CONNECT is not served')
  if (raw.charCodeAt(0) === 0x2f) return { target: raw, authority: undefined }
  if (raw === '*' && method === 'OPTIONS') return { target: raw, authority: undefined }
  const match = ABSOLUTE.exec(raw)
  if (!match) throw bad('bad request target')
  const authority = match[1]!
  if (!isHost(authority)) throw bad('bad host in the request target')
  const rest = match[2]!
  if (rest === '') return { target: method === 'OPTIONS' ? '*' : '/', authority }
  return { target: rest.startsWith('?') ? `/${rest}` : rest, authority }
}

interface RequestFraming {
  host: string
  contentLength: number
  chunked: boolean
  expectContinue: boolean
  upgrade: string | undefined
}

function parseFraming(fields: Fields, minorVersion: 0 | 1): RequestFraming {
  let hosts = 0
  let lengths = 0
  let codings = 0
  const framing: RequestFraming = {
    host: '',
    contentLength: -1,
    chunked: false,
    expectContinue: false,
    upgrade: undefined,
  }
  for (let i = 0; i < fields.count; i++) {
    const kind = fields.kind(i)
    if (kind === HOST) {
      hosts++
      framing.host = fields.value(i)
    } else if (kind === CONTENT_LENGTH) {
      lengths++
      framing.contentLength = parseLength(fields.value(i))
      if (framing.contentLength < 0) throw bad('Content-Length is not a decimal number')
    } else if (kind === TRANSFER_ENCODING) {
      codings++
      framing.chunked = fields.value(i).toLowerCase() === 'chunked'
      if (!framing.chunked) throw bad('Transfer-Encoding is not exactly "chunked"')
    } else if (kind === EXPECT) {
      framing.expectContinue = fields.value(i).toLowerCase() === '100-continue'
    } else if (kind === UPGRADE) {
      framing.upgrade = framing.upgrade === undefined ? fields.value(i) : ','
    }
  }
  if (lengths > 1) throw bad('more than one Content-Length')
  if (codings > 1) throw bad('more than one Transfer-Encoding')
  if (codings > 0 && lengths > 0) throw bad('Content-Length beside Transfer-Encoding')
  if (codings > 0 && minorVersion === 0) throw bad('Transfer-Encoding in HTTP/1.0')
  if (hosts > 1) throw bad('more than one Host')
  if (hosts === 0 && minorVersion === 1) throw bad('no Host')
  if (hosts === 1 && !isHost(framing.host)) throw bad('bad Host')
  return framing
}
