/** What clients of gRPC are told when the front itself answers, and the deadlines that they set. */
import type { AriesError, ErrorCode } from '../../errors.ts'

/** Codes of gRPC (its `statuscodes.md`). */
const UNKNOWN = 2
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14

/** Where the status of HTTP says less than the code. */
const BY_CODE: Partial<Record<ErrorCode, number>> = {
  // Clients repeat what is unavailable.
  ARIES_E_OUTCOME_UNKNOWN: UNKNOWN,
  ARIES_E_TIMEOUT: DEADLINE_EXCEEDED,
  ARIES_E_REQUEST_TIMEOUT: DEADLINE_EXCEEDED,
  ARIES_E_RATE_LIMITED: RESOURCE_EXHAUSTED,
  ARIES_E_BODY_TOO_LARGE: RESOURCE_EXHAUSTED,
  ARIES_E_NO_ROUTE: UNIMPLEMENTED,
}

/** Of a header: what gRPC encodes in messages. */
const ENCODED = /[^ -$&-~]+/g
const TIMEOUT = /^(\d{1,8})([HMSmun])$/
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/** `Trailers-Only`: a head that says all, names and values by turns. */
export function grpcHeaders(error: AriesError): string[] {
  const message = error.message.toWellFormed().replace(ENCODED, encodeURIComponent)
  return [
    ':status',
    '200',
    'content-type',
    'application/grpc',
    'grpc-status',
    String(grpcStatus(error)),
    'grpc-message',
    message,
  ]
}

function grpcStatus({ code, status }: AriesError): number {
  const own = BY_CODE[code]
  if (own !== undefined) return own
  if (status >= 502) return UNAVAILABLE
  return status >= 500 ? INTERNAL : INVALID_ARGUMENT
}

/** Milliseconds of a `grpc-timeout`; undefined when there is none that is valid. */
export function grpcTimeoutMs(value: string | undefined): number | undefined {
  const match = value === undefined ? null : TIMEOUT.exec(value)
  return match === null ? undefined : Number(match[1]) * UNIT_MS[match[2]!]!
}
