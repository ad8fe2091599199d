import type { Duplex } from 'node:stream'
import type { AriesError } from '../../errors.ts'
import type { Target } from '../plan.ts'
import type { ClientRequest } from './client-request.ts'
import type { ParsedResponse } from './response-head.ts'

/** Who uses a link for one attempt. */
export interface UpstreamUser {
  /** A response head; the body follows unless the answer is `none`. */
  upstreamHead(response: ParsedResponse): 'none' | 'body' | 'tunnel'
  upstreamData(piece: Buffer): void
  /** The response is complete, and so is what was sent; the link is no longer the user's. */
  upstreamEnd(trailers: string): void
  /** What one read brought has been handed over. */
  upstreamFlush(): void
  upstreamDrain(): void
  /**
   * The link failed, before, in or instead of a response. Called at most once, and last.
   * `spoke`: what the target sent is not HTTP, so that another attempt would not help;
   * `unprocessed`: the target says that it did not begin with the request.
   */
  upstreamFailed(error: AriesError, spoke: boolean, unprocessed?: boolean): void
  upstreamExpired(): void
  /** Gossip found the target dead. */
  upstreamDown(): void
}

/** The way of one attempt to its target: a connection of HTTP/1, or a stream of HTTP/2. */
export interface UpstreamLink {
  /** For a tunnel. */
  readonly stream: Duplex
  /** On the clock of `Deadlines`, until `upstreamExpired`. */
  deadlineMs: number
  /** Whether it has carried a request before this one: the target may close it meanwhile. */
  readonly reused: boolean
  /** Whether the request was sent to its end. */
  readonly sentAll: boolean
  /** Begins an attempt for `user`. */
  assign(user: UpstreamUser): void
  /**
   * Writes the head. `forwarded`: the lines about the client; `askContinue`: pass on
   * `Expect: 100-continue`. Throws an `AriesError` when there is none that can be sent.
   */
  begin(head: ClientRequest, target: Target, forwarded: string, askContinue: boolean): void
  piece(piece: Buffer): void
  /** The request is complete. */
  end(trailers: string): void
  /** Sends what was written; false when the target has to read first: `upstreamDrain` follows. */
  flush(): boolean
  pause(): void
  resume(): void
  /** The user has no more interest, and hears nothing more. */
  abandon(): void
  /** The user does not want the response whose head it hears: called from `upstreamHead`. */
  discard(timeoutMs: number): void
  /** Hands `stream` over, paused, with what was read past the head: called from `upstreamHead`. */
  detach(): Buffer | undefined
}
