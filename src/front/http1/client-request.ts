import { ParsedRequest } from '../../http1/request-head.ts'
import { grpcTimeoutMs } from '../http2/grpc.ts'
import type { RequestHead } from '../plan.ts'
import type { Recording } from '../recording.ts'
import type { ForwardTimes } from '../route-terms.ts'
import { type Forwarding, type Scheme, schemeOf } from './forwarding.ts'

/** A client's request head, with who it comes from. */
export class ClientRequest extends ParsedRequest implements RequestHead {
  readonly remoteAddress: string
  readonly scheme: Scheme
  /** Of HTTP, as the client spoke it. */
  readonly version: '1.0' | '1.1' | '2.0'
  /** gRPC: a stream of messages both ways, whose client sets its deadline. */
  readonly isGrpc: boolean
  /** What the target is asked for, when it is not `target`, and as which host; '': its own. */
  rewritten: string | undefined
  /** See `Marks`. */
  requestId: string | undefined
  traceId: string | undefined
  /** Span of who sent it, when it says so. */
  parentId: string | undefined
  /** Its trace is to be exported. */
  sampled = false
  recording: Recording | undefined
  sentHost: string | undefined
  #pairs: [string, string][] | undefined

  /**
   * As `ParsedRequest`. `trust`: `peer` is a trusted proxy, which tells who its client is, and how it
   * came. `http2`: the text was made of a request of HTTP/2. Throws the `AriesError` to answer with.
   */
  constructor(text: string, peer: string, scheme: Scheme, trust?: Forwarding, http2 = false) {
    super(text)
    this.remoteAddress = trust ? trust.clientOf(this.fields, peer) : peer
    this.version = http2 ? '2.0' : this.minorVersion === 1 ? '1.1' : '1.0'
    this.isGrpc = http2 && this.fields.get('content-type')?.startsWith('application/grpc') === true
    this.scheme = trust ? schemeOf(this.fields, scheme) : scheme
  }

  /** Deadline of a request of gRPC, from when it came. */
  get timeoutMs(): number | undefined {
    return grpcTimeoutMs(this.fields.get('grpc-timeout'))
  }

  /** Milliseconds that may pass between two pieces of its body, or of the answer's. */
  idleMs({ bodyIdleTimeoutMs, tunnelIdleTimeoutMs }: ForwardTimes): number {
    return this.isGrpc ? tunnelIdleTimeoutMs : bodyIdleTimeoutMs
  }

  header(name: string): string | undefined {
    return name === 'host' && this.host !== '' ? this.host : this.fields.get(name)
  }

  get bytes(): number {
    return this.fields.text.length
  }

  get headers(): readonly (readonly [string, string])[] {
    this.#pairs ??= this.fields.pairs()
    return this.#pairs
  }
}
