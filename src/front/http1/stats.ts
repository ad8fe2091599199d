import type { ErrorCode } from '../../errors.ts'

/** One finished exchange, for access logs and latency metrics. */
export interface ExchangeRecord {
  readonly method: string
  /** Origin-form target as the client sent it. */
  readonly target: string
  /** Of HTTP. */
  readonly version: '1.0' | '1.1' | '2.0'
  readonly remoteAddress: string
  /** Its id and the id of its trace, when it has them. */
  readonly requestId?: string | undefined
  readonly traceId?: string | undefined
  /** Status that the client got; 499 when it left first, 0 when the connection was cut. */
  readonly status: number
  /** `Target.id` of the last attempt; empty when there was none. */
  readonly targetId: string
  readonly attempts: number
  /** Bytes of the request body that were read, and of the response body that was written. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ms: number
  /** Code of the error that the engine answered with, if it did. */
  readonly error: ErrorCode | undefined
}

/** What an embedder may listen to. A hook must not throw. */
export interface EngineHooks {
  /** Once per exchange, after its last byte was handed to the kernel or its connection was cut. */
  exchangeDone?(record: ExchangeRecord): void
}

/** Counters since the engine was made, and what is open now. Plain numbers: reading costs nothing. */
export interface EngineStats {
  requests: number
  /** Answers by first digit of their status: index 1 to 5. */
  readonly byStatusClass: number[]
  /** Bytes read from and written to clients, heads included. */
  bytesIn: number
  bytesOut: number
  attempts: number
  retries: number
  connectionsTotal: number
  connectionsOpen: number
  connectionsRefused: number
  /** Exchanges begun and not yet finished. */
  exchangesActive: number
  /** Upgraded connections that are spliced now. */
  tunnelsOpen: number
  upstreamConnectionsTotal: number
  upstreamConnectionsOpen: number
  /** Errors that the engine answered with, by code. */
  readonly errors: Partial<Record<ErrorCode, number>>
}

export function emptyStats(): EngineStats {
  return {
    requests: 0,
    byStatusClass: [0, 0, 0, 0, 0, 0],
    bytesIn: 0,
    bytesOut: 0,
    attempts: 0,
    retries: 0,
    connectionsTotal: 0,
    connectionsOpen: 0,
    connectionsRefused: 0,
    exchangesActive: 0,
    tunnelsOpen: 0,
    upstreamConnectionsTotal: 0,
    upstreamConnectionsOpen: 0,
    errors: {},
  }
}
