/** What a route that forwards has of its own, compiled: limits, edits of heads. */
import type { RouteTermsConfig } from '../config/schema/routes.ts'
import type { ConfigFile } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { compileHeadEdit, type HeadEdit } from './head-edits.ts'
import type { BodyLimit, RequestHead } from './plan.ts'

/** Time limits of one exchange, milliseconds. */
export interface ForwardTimes {
  readonly bodyIdleTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly responseTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly tunnelIdleTimeoutMs: number
  /** Those that the route says; the others are `front`'s. */
  readonly own: readonly string[]
  /** `requestTimeoutMs` is the client's (`grpc-timeout`). */
  readonly byClient?: true
}

export type TimeLimit = Exclude<keyof ForwardTimes, 'own'>

/** What the engine has to know of a route. Made once. */
export interface ForwardTerms {
  readonly times: ForwardTimes
  readonly bodyLimit: BodyLimit
  readonly request: HeadEdit | undefined
  readonly response: HeadEdit | undefined
  readonly attemptsMax: number
  /** What to answer to a head that is larger than the route takes. */
  readonly checkHead: ((head: RequestHead) => AriesError | undefined) | undefined
}

export function timesOf(
  front: ConfigFile['front'],
  limits?: RouteTermsConfig['limits'],
): ForwardTimes {
  const { bodyIdleTimeoutMs, connectTimeoutMs, responseTimeoutMs } = front
  const { requestTimeoutMs, tunnelIdleTimeoutMs } = front
  return {
    bodyIdleTimeoutMs: limits?.bodyIdleTimeoutMs ?? bodyIdleTimeoutMs,
    connectTimeoutMs: limits?.connectTimeoutMs ?? connectTimeoutMs,
    responseTimeoutMs: limits?.responseTimeoutMs ?? responseTimeoutMs,
    requestTimeoutMs: limits?.requestTimeoutMs ?? requestTimeoutMs,
    tunnelIdleTimeoutMs: limits?.tunnelIdleTimeoutMs ?? tunnelIdleTimeoutMs,
    own: Object.keys(limits ?? {}),
  }
}

/** With the deadline that the client has set, where it has and that comes first. */
export function timesWithin(times: ForwardTimes, deadlineMs: number | undefined): ForwardTimes {
  if (deadlineMs === undefined || deadlineMs >= times.requestTimeoutMs) return times
  return { ...times, requestTimeoutMs: deadlineMs, byClient: true }
}

/** The limit and its value, as a message names it. */
export function limitText(times: ForwardTimes, limit: TimeLimit): string {
  if (times.byClient && limit === 'requestTimeoutMs') return `its grpc-timeout (${times[limit]} ms)`
  const setting = times.own.includes(limit) ? `limits.${limit} of the route` : `front.${limit}`
  return `${setting} (${times[limit]} ms)`
}

/** `bodyLimit`: what the targets take, where it is known; undefined when the route says nothing. */
export function compileTerms(
  config: RouteTermsConfig & { readonly retry?: { readonly attemptsMax: number } | undefined },
  front: ConfigFile['front'],
  bodyLimit: BodyLimit | undefined,
): ForwardTerms | undefined {
  const { limits, requestHeaders, responseHeaders, retry } = config
  if (!limits && !requestHeaders && !responseHeaders && !retry) return undefined
  return {
    times: timesOf(front, limits),
    bodyLimit: bodyLimitOf(front, limits, bodyLimit),
    request: requestHeaders && compileHeadEdit(requestHeaders),
    response: responseHeaders && compileHeadEdit(responseHeaders),
    attemptsMax: retry?.attemptsMax ?? Number.POSITIVE_INFINITY,
    checkHead: headCheck(limits),
  }
}

function bodyLimitOf(
  front: ConfigFile['front'],
  limits: RouteTermsConfig['limits'],
  ofTarget: BodyLimit | undefined,
): BodyLimit {
  const own: BodyLimit =
    limits?.bodyBytesMax === undefined
      ? { bytesMax: front.bodyBytesMax, setting: 'front.bodyBytesMax' }
      : { bytesMax: limits.bodyBytesMax, setting: 'limits.bodyBytesMax of the route' }
  return ofTarget !== undefined && ofTarget.bytesMax < own.bytesMax ? ofTarget : own
}

function headCheck(limits: RouteTermsConfig['limits']): ForwardTerms['checkHead'] {
  const { headBytesMax, uriBytesMax } = limits ?? {}
  if (headBytesMax === undefined && uriBytesMax === undefined) return undefined
  return (head) => {
    if (uriBytesMax !== undefined && head.target.length > uriBytesMax) {
      return new AriesError(
        'ARIES_E_URI_TOO_LONG',
        `the request target is longer than limits.uriBytesMax of the route (${uriBytesMax} bytes)`,
      )
    }
    if (headBytesMax !== undefined && head.bytes > headBytesMax) {
      return new AriesError(
        'ARIES_E_HEAD_TOO_LARGE',
        `the head is larger than limits.headBytesMax of the route (${headBytesMax} bytes)`,
      )
    }
    return undefined
  }
}
