import type { ErrorCode } from '../errors.ts'
import type { RouteKind } from './metrics.ts'

/** A request that was written down: `GET /api/requests`. Times are milliseconds. */
export interface RequestDetail {
  /** Its `X-Request-Id`, else the id of its trace, else one of its own. */
  readonly id: string
  readonly traceId?: string
  readonly front: string
  readonly shard: number
  /** When it came, since 1970. */
  readonly atMs: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly http: '1.0' | '1.1' | '2.0'
  readonly scheme: 'http' | 'https'
  /** Address of the client. */
  readonly remote: string
  /** Host and path of the route that it matched. */
  readonly route?: string
  readonly kind?: RouteKind
  /** Status that the client got; 499 when it left first, 0 when its answer broke off. */
  readonly status: number
  readonly error?: ErrorCode
  readonly bytesIn: number
  readonly bytesOut: number
  /** How long it took. */
  readonly ms: number
  readonly attempts: readonly AttemptDetail[]
  /** The candidates of a choice that no attempt followed. */
  readonly unchosen?: readonly TargetCost[]
  /** Its span, and that of who sent it, when it became spans. */
  readonly spanId?: string
  readonly parentId?: string
}

export type AttemptWhy = 'first' | 'retry' | 'hedge'

/** One attempt. Its times count from when the request came. */
export interface AttemptDetail {
  readonly why: AttemptWhy
  readonly target: string
  readonly address: { readonly host: string; readonly port: number }
  /** What decided: costs, stickiness, or where the worker lives. */
  readonly by?: 'cost' | 'sticky' | 'owner'
  readonly candidates?: readonly TargetCost[]
  /** How long it waited in line before. */
  readonly waitedMs?: number
  readonly chosenMs: number
  readonly connectedMs?: number
  /** Whether the connection had been there before. */
  readonly reused?: boolean
  /** Its whole body was sent. */
  readonly sentMs?: number
  readonly headMs?: number
  readonly endMs?: number
  readonly status?: number
  readonly failure?: string
  readonly spanId?: string
}

/** A target that might have been chosen. */
export interface TargetCost {
  readonly id: string
  /** Of one more request there; only to be compared with those beside it. */
  readonly cost: number
  /** Of this shard, there. */
  readonly inFlight: number
  /** Whether it was among the few that were drawn. */
  readonly compared: boolean
  /** Why it could not be chosen. */
  readonly excluded?: 'tried' | 'ill' | 'full' | 'drains'
}
