import { ParsedRequest } from '../../http1/request-head.ts'
import type { RequestHead } from '../plan.ts'
import { type Forwarding, type Scheme, schemeOf } from './forwarding.ts'

/** A client's request head, with who it comes from. */
export class ClientRequest extends ParsedRequest implements RequestHead {
  readonly remoteAddress: string
  readonly scheme: Scheme
  /** What the target is asked for, when it is not `target`, and as which host; '': its own. */
  rewritten: string | undefined
  sentHost: string | undefined
  #pairs: [string, string][] | undefined

  /**
   * As `ParsedRequest`. `trust`: `peer` is a trusted proxy, which tells who its client is, and how it
   * came. Throws the `AriesError` to answer with.
   */
  constructor(text: string, peer: string, scheme: Scheme, trust?: Forwarding) {
    super(text)
    this.remoteAddress = trust ? trust.clientOf(this.fields, peer) : peer
    this.scheme = trust ? schemeOf(this.fields, scheme) : scheme
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
