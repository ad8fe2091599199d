import type { Plan } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { ParsedResponse } from './response-head.ts'
import type { ResponseWriter } from './response-writer.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** What an exchange needs of the connection of its client. */
export interface ExchangeClient {
  readonly response: ResponseWriter
  /** The lines about the client for a target. */
  forwarded(head: ClientRequest): string
  readonly bodyEnded: boolean
  readonly trailers: string
  /** Hands what is already here of the body to `clientData`. */
  feed(): void
  /** Drops what is already here of the body; whether that was all of it. */
  dropBody(): boolean
  /** Stops reading the body until `release`. */
  hold(): void
  release(): void
  /** Sends what was written of the response; false when the client has to read first. */
  flush(): boolean
  /** The response is complete. */
  exchangeDone(): void
  /** Cuts the connection, visibly: the client must not take what it has for a whole response. */
  cut(): void
  take(take: Extract<Plan, { kind: 'take' }>['take']): void
  /** `response`: the 101 of the target. */
  tunnel(response: ParsedResponse, link: UpstreamLink, ended: () => void): void
}
