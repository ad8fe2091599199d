/**
 * The head of an HTTP/2 request as HTTP/1.1 text. So one parser checks the requests of both versions,
 * and what goes to a target is written by one hand.
 */
import { randomBytes } from 'node:crypto'
import { AriesError } from '../../errors.ts'
import { isFieldValue, isHost, isToken } from '../../http1/grammar.ts'

/** Lines about one connection: a message that has them is malformed (RFC 9113 §8.2.2). */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

export interface RequestText {
  /** For `ClientRequest`. */
  readonly text: string
  /** The stream becomes a tunnel (RFC 8441); the text asks for an upgrade. */
  readonly connect: boolean
}

function bad(why: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', why)
}

/**
 * `raw`: names and values by turns, as they came; `ended`: no body follows. Throws the `AriesError` to
 * answer with: nothing that could be read in two ways gets into the text.
 */
export function requestText(raw: readonly string[], ended: boolean): RequestText {
  let method = ''
  let scheme = ''
  let authority = ''
  let path = ''
  let protocol = ''
  let host: string | undefined
  let cookie = ''
  let hasLength = false
  let hasKey = false
  let lines = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    if (!isFieldValue(value)) throw bad(`bad byte in the value of ${JSON.stringify(name)}`)
    if (name.charCodeAt(0) === 0x3a) {
      if (name === ':method') method = value
      else if (name === ':scheme') scheme = value
      else if (name === ':authority') authority = value
      else if (name === ':path') path = value
      else if (name === ':protocol') protocol = value
      else throw bad('unknown pseudo-header')
    } else if (name === 'cookie') {
      // Crumbs that are one line for everybody else (RFC 9113 §8.2.3).
      cookie += cookie === '' ? value : `; ${value}`
    } else if (name === 'host') {
      if (host !== undefined) throw bad('more than one Host')
      host = value
    } else {
      if (!isToken(name)) throw bad('bad header name')
      if (CONNECTION_SPECIFIC.has(name)) throw bad(`${name} in HTTP/2`)
      if (name === 'te' && value.toLowerCase() !== 'trailers') throw bad('bad TE in HTTP/2')
      if (name === 'content-length') hasLength = true
      else if (name === 'sec-websocket-key') hasKey = true
      lines += `${name}: ${value}\r\n`
    }
  }
  if (scheme !== 'http' && scheme !== 'https') throw bad('bad :scheme')
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) throw bad('bad :path')
  if (host !== undefined && authority !== '' && host.toLowerCase() !== authority.toLowerCase()) {
    throw bad('Host is not :authority')
  }
  const asked = authority === '' ? (host ?? '') : authority
  if (!isHost(asked)) throw bad('bad :authority')
  lines = `Host: ${asked}\r\n${lines}`
  if (cookie !== '') lines += `Cookie: ${cookie}\r\n`
  const connect = protocol !== ''
  if (method === 'CONNECT') {
    if (!connect) throw bad('CONNECT is not served')
    if (protocol.toLowerCase() !== 'websocket') {
      throw new AriesError('ARIES_E_METHOD_UNKNOWN', 'only WebSocket is served by extended CONNECT')
    }
    if (hasLength) throw bad('Content-Length in a CONNECT')
    method = 'GET'
    lines += 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
    if (!hasKey) lines += `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n`
  } else if (connect) throw bad(':protocol without CONNECT')
  else if (!ended && !hasLength) lines += 'Transfer-Encoding: chunked\r\n'
  return { text: `${method} ${path} HTTP/1.1\r\n${lines}\r\n`, connect }
}
