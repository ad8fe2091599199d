/** What a server of ours and its connections know of each other. */
import type { Socket } from 'node:net'
import type { AriesError } from '../errors.ts'
import type { Deadlines } from './deadlines.ts'
import type { ParsedRequest } from './request-head.ts'
import type { ServerConnection } from './server-connection.ts'
import type { ServerExchange } from './server-exchange.ts'

export interface ServerLimits {
  readonly headBytesMax: number
  /** Where that is set, for whoever meets it. */
  readonly headBytesLimit: string
  readonly fieldsMax: number
  /** From the first byte of a head to its last. */
  readonly headTimeoutMs: number
  /** From the last byte of a head to the last one of the body. */
  readonly bodyTimeoutMs: number
  /** Without a request, or without a byte taken of an answer that is written. */
  readonly idleTimeoutMs: number
}

export interface Upgrade {
  /** What `Upgrade` of the answer says. */
  readonly protocol: string
  /** Gets the connection in the macrotask of this call; what came already can be read from it. */
  take(socket: Socket): void
}

/** What is to be done with what connections bring. */
export interface ServerHandlers {
  /** Must answer in the end, and take the body at once if it is wanted. */
  request(exchange: ServerExchange): void
  /** It is answered, or nobody waits for the answer; `bytes`: both ways, since the one before. */
  over(exchange: ServerExchange, bytes: number): void
  /** What the connection becomes, or the status of the refusal. */
  upgrade(head: ParsedRequest): Upgrade | number
  /** Answers what cannot be read as a request; the connection closes behind it. */
  refuse(exchange: ServerExchange, error: AriesError): void
}

/** The server, as a connection sees it. */
export interface ServerHome {
  readonly limits: ServerLimits
  readonly handlers: ServerHandlers
  readonly deadlines: Deadlines
  /** No request is taken any more. */
  readonly closing: boolean
  readonly keepAliveLine: string
  /** Closed, or no longer a connection of requests. */
  left(connection: ServerConnection): void
}
