/** Heads of responses and trailers in the form that node:http2 takes: names and values by turns. */
import type { OutgoingHttpHeaders } from 'node:http2'
import type { AriesError } from '../../errors.ts'
import { Fields } from '../../http1/fields.ts'
import { RESPONSE_KEPT } from '../http1/head-edit.ts'
import type { Reply } from '../http1/reply.ts'
import type { ParsedResponse } from '../http1/response-head.ts'
import { grpcHeaders } from './grpc.ts'

type Pairs = readonly (readonly [string, string])[]

/** `nodePairs`: for a response that does not say who answered. */
export function responseHeaders(response: ParsedResponse, nodePairs: Pairs): string[] {
  const out = [':status', String(response.status)]
  response.fields.pairsInto(out, RESPONSE_KEPT, response.connection.nominated)
  if (!response.namesNode) addPairs(out, nodePairs)
  if (response.contentLength >= 0 && response.status !== 204) {
    out.push('content-length', String(response.contentLength))
  }
  return out
}

/** Of a 101 to an extended CONNECT: it is a 200 there, and what belongs to the handshake is left out. */
export function tunnelHeaders(response: ParsedResponse, nodePairs: Pairs): string[] {
  const all = responseHeaders(response, nodePairs)
  const out = [':status', '200']
  for (let i = 2; i < all.length; i += 2) {
    if (all[i] !== 'sec-websocket-accept') out.push(all[i]!, all[i + 1]!)
  }
  return out
}

/** A response of the engine's own. */
export function replyHeaders(reply: Reply, bodyBytes: number, nodePairs: Pairs): string[] {
  const out = [':status', String(reply.status)]
  addPairs(out, reply.headers)
  addPairs(out, nodePairs)
  if (reply.status !== 204 && reply.status !== 304) out.push('content-length', String(bodyBytes))
  return out
}

/** The same to a client of gRPC: all is in the head, `Retry-After` too. */
export function grpcReplyHeaders(
  error: AriesError,
  { headers }: Reply,
  nodePairs: Pairs,
): string[] {
  const out = grpcHeaders(error)
  addPairs(
    out,
    headers.filter(([name]) => name.toLowerCase() !== 'content-type'),
  )
  addPairs(out, nodePairs)
  return out
}

/** A 1xx, which node:http2 wants as an object. */
export function interimHeaders(response: ParsedResponse): OutgoingHttpHeaders {
  const pairs: string[] = []
  response.fields.pairsInto(pairs, RESPONSE_KEPT, response.connection.nominated)
  return { ':status': response.status, ...toObject(pairs) }
}

/** Trailers: `lines`, each with its CR LF, which were checked. */
export function trailerHeaders(lines: string): OutgoingHttpHeaders {
  if (lines === '') return {}
  const pairs: string[] = []
  const fields = new Fields(`${lines}\r\n`, 0)
  for (let i = 0; i < fields.count; i++) {
    pairs.push(fields.name(i).toLowerCase(), fields.value(i))
  }
  return toObject(pairs)
}

function addPairs(out: string[], pairs: Pairs): void {
  for (const [name, value] of pairs) out.push(name.toLowerCase(), value)
}

function toObject(pairs: readonly string[]): Record<string, string[]> {
  const out: Record<string, string[]> = {}
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!
    out[name] = [...(out[name] ?? []), pairs[i + 1]!]
  }
  return out
}
