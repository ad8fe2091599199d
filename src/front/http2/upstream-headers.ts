/** Heads to and from a target that speaks HTTP/2, by way of those of HTTP/1.1. */

import { Fields } from '../../http1/fields.ts'
import {
  CONNECTION,
  HOST,
  isFieldValue,
  isToken,
  KEEP_ALIVE,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../../http1/grammar.ts'
import { STATUS_CODES } from '../../node-http.ts'
import type { ClientRequest } from '../http1/client-request.ts'
import { requestHeadText } from '../http1/head-edit.ts'
import { ParsedResponse } from '../http1/response-head.ts'
import type { Target } from '../plan.ts'

const OF_HTTP1: ReadonlySet<number> = new Set([CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING, UPGRADE])

/** The head of a request, names and values by turns; as `requestHeadText`. */
export function requestHeaders(
  head: ClientRequest,
  target: Target,
  forwarded: string,
  askContinue: boolean,
): string[] {
  const text = requestHeadText(head, target, forwarded, askContinue)
  const lineEnd = text.indexOf('\r\n')
  const [method = '', path = ''] = text.slice(0, lineEnd).split(' ')
  const fields = new Fields(text, lineEnd + 2)
  let authority = ''
  const lines: string[] = []
  for (let i = 0; i < fields.count; i++) {
    const kind = fields.kind(i)
    if (kind === HOST) authority = fields.value(i)
    else if (!OF_HTTP1.has(kind)) lines.push(fields.name(i).toLowerCase(), fields.value(i))
  }
  // gRPC servers refuse who does not say that it takes trailers.
  if (head.fields.get('te')?.toLowerCase().includes('trailers') === true) {
    lines.push('te', 'trailers')
  }
  const scheme = target.secure === true ? 'https' : 'http'
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', path, ...lines]
}

/**
 * The head of a response; `ended`: nothing follows it. Throws when it says what none of HTTP/2 may.
 */
export function parseResponse(
  raw: readonly string[],
  ended: boolean,
  isHead: boolean,
): ParsedResponse {
  let status = 0
  let hasLength = false
  let lines = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    const value = raw[i + 1]!
    if (name === ':status') status = Number(value)
    else {
      if (!isToken(name) || !isFieldValue(value)) throw new Error('a line that cannot be')
      if (name === 'content-length') hasLength = true
      lines += `${name}: ${value}\r\n`
    }
  }
  const bodiless = isHead || status < 200 || status === 204 || status === 304
  if (!bodiless && !hasLength) {
    lines += ended ? 'Content-Length: 0\r\n' : 'Transfer-Encoding: chunked\r\n'
  }
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  return new ParsedResponse(`${line}${lines}\r\n`, ended)
}
