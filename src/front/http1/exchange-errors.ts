/** What an exchange that fails tells its client. */
import { AriesError } from '../../errors.ts'
import type { AttemptFailure, BodyLimit } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { EngineContext } from './context.ts'
import { ATTEMPTS_MAX } from './limits.ts'

/** Phases of failures after which it is sure that nothing was applied. */
export const NOT_APPLIED: ReadonlySet<AttemptFailure['phase']> = new Set([
  'connect',
  'not-owner',
  'refused',
])

/** What was thrown, or, when it was not on purpose, that the front failed. */
export function internal(
  { log }: EngineContext,
  { target }: ClientRequest,
  thrown: unknown,
): AriesError {
  if (thrown instanceof AriesError) return thrown
  log.error({ err: thrown, target }, 'a request failed in the front')
  return new AriesError('ARIES_E_INTERNAL', 'the front failed; its log says how')
}

export function bodyTooLarge({ bytesMax, setting }: BodyLimit): AriesError {
  return new AriesError(
    'ARIES_E_BODY_TOO_LARGE',
    `the request body is larger than ${setting} (${bytesMax})`,
  )
}

export function noRoom(keptBytesMax: number): AriesError {
  return new AriesError(
    'ARIES_E_OVERLOADED',
    `the bodies of requests that wait fill front.keptBytesMax (${keptBytesMax}) already`,
  )
}

export function outcomeUnknown(failure: AttemptFailure, method: string): AriesError {
  return new AriesError(
    'ARIES_E_OUTCOME_UNKNOWN',
    `${failure.error.message}; the ${method} was sent and may have been applied`,
  )
}

export function bodyGone(failure: AttemptFailure): AriesError {
  if (failure.phase !== 'not-owner') return failure.error
  return new AriesError(
    'ARIES_E_NO_TARGET',
    'the worker moved while its request was being sent; nothing was applied, send it again',
  )
}

export function tooManyAttempts(failure: AttemptFailure): AriesError {
  if (failure.phase !== 'not-owner') return failure.error
  return new AriesError('ARIES_E_NO_TARGET', `no owner of the worker in ${ATTEMPTS_MAX} attempts`)
}
