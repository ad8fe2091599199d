import type { AriesError } from '../../errors.ts'
import type { Outbox } from '../../http1/outbox.ts'
import type { ParsedRequest } from '../../http1/request-head.ts'
import { replyHeadText } from './head-edit.ts'

/** A response of the engine's own. */
export interface Reply {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | Uint8Array
  /** What it tells, for clients that are told in another way. */
  readonly error?: AriesError | undefined
}

const JSON_TYPE = ['Content-Type', 'application/json'] as const
const ERROR_HEADERS = [JSON_TYPE]
const RETRY_HEADERS = [JSON_TYPE, ['Retry-After', '1'] as const]

export function errorReply(error: AriesError): Reply {
  return {
    status: error.status,
    headers: error.status === 503 ? RETRY_HEADERS : ERROR_HEADERS,
    body: `${JSON.stringify(error.toBody())}\n`,
    error,
  }
}

/** RFC 9110 §7.6.2: Max-Forwards is used up, the engine answers for itself. */
export function finalRecipientReply(method: string): Reply {
  return { status: method === 'TRACE' ? 405 : 204, headers: [['Allow', 'OPTIONS']], body: '' }
}

/**
 * Writes `reply` and returns the bytes of its body that were written. `request` is undefined when
 * there was none that could be read; `last`: the connection closes behind it.
 * `nodeLine`: the line that says who answers.
 */
export function replyText(
  out: Outbox,
  reply: Reply,
  request: ParsedRequest | undefined,
  last: boolean,
  nodeLine: string,
): number {
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : Buffer.from(reply.body)
  out.text(replyHeadText(reply.status, reply.headers, body.length, request, last, nodeLine))
  if (request?.method === 'HEAD' || reply.status === 204 || reply.status === 304) return 0
  out.piece(body)
  return body.length
}
