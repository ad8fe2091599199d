/** What cannot be read as a request, or comes too slowly. */
import { AriesError } from '../../errors.ts'
import type { EngineContext } from './context.ts'
import type { Peer } from './peer.ts'
import { errorReply } from './reply.ts'
import type { ResponseWriter } from './response-writer.ts'
import type { ExchangeRecord } from './stats.ts'

/** Answers it, and keeps the books as for an exchange. */
export function refuse(
  engine: EngineContext,
  { response, peer }: { readonly response: ResponseWriter; readonly peer: Peer },
  error: AriesError,
  version: ExchangeRecord['version'],
): void {
  const { stats } = engine
  stats.errors[error.code] = (stats.errors[error.code] ?? 0) + 1
  stats.requests++
  stats.byStatusClass[Math.trunc(error.status / 100)]!++
  const bytesOut = response.reply(undefined, errorReply(error), false)
  engine.hooks?.exchangeDone?.({
    method: '',
    target: '',
    version,
    remoteAddress: peer.address,
    status: error.status,
    targetId: '',
    attempts: 0,
    bytesIn: 0,
    bytesOut,
    ms: 0,
    error: error.code,
  })
}

export function tooSlow(part: 'head' | 'body', limit: string): AriesError {
  return new AriesError(
    'ARIES_E_REQUEST_TIMEOUT',
    `the request ${part} did not come within ${limit}`,
  )
}
