/** The heads that the engine writes: what came, without what ends here, with what it adds. */

import { AriesError } from '../../errors.ts'
import {
  ARIES_FAULT,
  ARIES_LOAD,
  ARIES_OWNER,
  CONNECTION,
  CONTENT_LENGTH,
  EXPECT,
  HOP_BY_HOP,
  HOST,
  isFieldValue,
  isToken,
  KEEP_ALIVE,
  kindTable,
  OTHER,
  TRANSFER_ENCODING,
  UPGRADE,
} from '../../http1/grammar.ts'
import type { ParsedRequest } from '../../http1/request-head.ts'
import { STATUS_CODES } from '../../node-http.ts'
import type { Target } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { ParsedResponse } from './response-head.ts'

/** How the body of a response is framed towards the client. */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close'

type Pairs = readonly (readonly [string, string])[]

const REQUEST_KEPT = kindTable((kind) => kind === OTHER || kind === HOST)
const REQUEST_KEPT_EXPECT = kindTable((kind) => REQUEST_KEPT[kind] === 1 || kind === EXPECT)
const REQUEST_KEPT_NO_HOST = kindTable((kind) => kind === OTHER)

const RESPONSE_DROPPED = new Set([
  CONTENT_LENGTH,
  TRANSFER_ENCODING,
  CONNECTION,
  HOP_BY_HOP,
  KEEP_ALIVE,
  UPGRADE,
  ARIES_OWNER,
  ARIES_FAULT,
  ARIES_LOAD,
])
/** Lines of a target that its response keeps; framing is written anew. */
export const RESPONSE_KEPT = kindTable((kind) => !RESPONSE_DROPPED.has(kind))

const VIA = {
  '1.0': 'Via: 1.0 aries\r\n',
  '1.1': 'Via: 1.1 aries\r\n',
  '2.0': 'Via: 2.0 aries\r\n',
}

/** Lines of `pairs`; an `AriesError` when one could break out of its line. */
export function fieldLines(pairs: Pairs): string {
  let out = ''
  for (const [name, value] of pairs) {
    if (!isToken(name) || !isFieldValue(value)) {
      throw new AriesError('ARIES_E_INTERNAL', `header ${JSON.stringify(name)} is not sendable`)
    }
    out += `${name}: ${value}\r\n`
  }
  return out
}

/**
 * The head for `target`. `forwarded`: the lines about the client. `askContinue`: pass on
 * `Expect: 100-continue`, because no body byte has come yet.
 */
export function requestHeadText(
  head: ClientRequest,
  target: Target,
  forwarded: string,
  askContinue: boolean,
): string {
  const host = head.sentHost ?? head.host
  const hostReplaced = head.hostReplaced || head.sentHost !== undefined
  const keep = hostReplaced
    ? REQUEST_KEPT_NO_HOST
    : head.expectContinue && askContinue
      ? REQUEST_KEPT_EXPECT
      : REQUEST_KEPT
  let out = `${head.method} ${head.rewritten ?? head.target} HTTP/1.1\r\n`
  if (host === '') out += `Host: ${target.host}:${target.port}\r\n`
  else if (hostReplaced) out += `Host: ${host}\r\n`
  out += head.fields.copy(keep, head.connection.nominated)
  if (hostReplaced && head.expectContinue && askContinue) out += 'Expect: 100-continue\r\n'
  out += maxForwardsLine(head)
  if (head.chunked) out += 'Transfer-Encoding: chunked\r\n'
  else if (head.contentLength >= 0) out += `Content-Length: ${head.contentLength}\r\n`
  out += forwarded
  out += VIA[head.version]
  if (head.upgrade !== undefined) out += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  if (target.headers !== undefined) out += fieldLines(target.headers)
  return `${out}\r\n`
}

/** Hops that a TRACE or OPTIONS may still take, undefined when it does not limit them (RFC 9110 §7.6.2). */
export function maxForwards(head: ParsedRequest): number | undefined {
  if (head.method !== 'TRACE' && head.method !== 'OPTIONS') return undefined
  const value = head.fields.get('max-forwards')
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}

function maxForwardsLine(head: ParsedRequest): string {
  const hops = maxForwards(head)
  return hops === undefined ? '' : `Max-Forwards: ${hops - 1}\r\n`
}

/**
 * The head of a target's response for the client. `last`: the connection closes behind it;
 * `nodeLine`: for a response that does not say who answered.
 */
export function responseHeadText(
  response: ParsedResponse,
  request: ParsedRequest,
  framing: Framing,
  last: boolean,
  nodeLine: string,
): string {
  let out = `HTTP/1.1 ${response.status} ${response.reason}\r\n`
  out += response.fields.copy(RESPONSE_KEPT, response.connection.nominated)
  if (!response.namesNode) out += nodeLine
  if (framing === 'chunked') out += 'Transfer-Encoding: chunked\r\n'
  else if (response.contentLength >= 0 && response.status >= 200 && response.status !== 204) {
    out += `Content-Length: ${response.contentLength}\r\n`
  }
  return out + connectionLine(request, last)
}

/** The head of a 1xx; for 101 with the protocol that was agreed on. */
export function interimHeadText(response: ParsedResponse, nodeLine: string): string {
  let out = `HTTP/1.1 ${response.status} ${response.reason}\r\n`
  out += response.fields.copy(RESPONSE_KEPT, response.connection.nominated)
  if (response.status === 101) {
    if (!response.namesNode) out += nodeLine
    out += `Connection: Upgrade\r\nUpgrade: ${response.fields.get('upgrade') ?? ''}\r\n`
  }
  return `${out}\r\n`
}

/** A response of the engine's own, head and body; without the body for HEAD. */
export function replyHeadText(
  status: number,
  headers: Pairs,
  bodyBytes: number,
  request: ParsedRequest | undefined,
  last: boolean,
  nodeLine: string,
): string {
  const bodiless = status === 204 || status === 304
  let out = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fieldLines(headers)}${nodeLine}`
  if (!bodiless) out += `Content-Length: ${bodyBytes}\r\n`
  return out + connectionLine(request, last)
}

/** Ends a head: says what becomes of the connection, where the version does not say it. */
function connectionLine(request: ParsedRequest | undefined, last: boolean): string {
  if (last) return 'Connection: close\r\n\r\n'
  return request?.minorVersion === 0 ? 'Connection: keep-alive\r\n\r\n' : '\r\n'
}
