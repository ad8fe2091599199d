/** Answers of the front itself: an `ErrorBody` in JSON. */

import type { AriesError } from '../errors.ts'
import { STATUS_CODES } from '../node-http.ts'
import { HEADER } from '../wire.ts'
import type { Plan, UpgradedSocket } from './plan.ts'

/** Seconds after which a refused client may try again. */
const RETRY_AFTER_S = '1'

/** The answer as a plan for the engine. `headers`: beside those of every error. */
export function replyError(
  error: AriesError,
  headers: readonly (readonly [string, string])[] = [],
): Extract<Plan, { kind: 'reply' }> {
  return {
    kind: 'reply',
    status: error.status,
    headers: [...errorHeaders(error), ...headers],
    body: JSON.stringify(error.toBody()),
    error,
  }
}

/**
 * The answer to a request whose socket the engine has handed over; the connection ends with it.
 * `node`: who refused it.
 */
export function writeError(
  socket: UpgradedSocket,
  status: number,
  error: AriesError,
  node: string,
): void {
  const body = JSON.stringify(error.toBody())
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...errorHeaders(error).map(([name, value]) => `${name}: ${value}`),
    `${HEADER.node}: ${node}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

function errorHeaders(error: AriesError): [string, string][] {
  const headers: [string, string][] = [['content-type', 'application/json']]
  if (error.status === 503) headers.push(['retry-after', RETRY_AFTER_S])
  return headers
}
