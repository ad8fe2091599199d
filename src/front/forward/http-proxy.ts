import { type Duplex, duplexPair } from 'node:stream'
import type { Logger } from '../../log.ts'

export interface HttpProxyForwarderComponents {
  readonly log: Logger
}

/** The compatible forwarder: http-proxy behind an in-memory connection (`Target.connect`). */
export class HttpProxyForwarder {
  readonly components: HttpProxyForwarderComponents
  readonly upstream: string

  constructor(components: HttpProxyForwarderComponents, init: { readonly upstream: string }) {
    this.components = components
    this.upstream = init.upstream
  }

  connect(): Duplex {
    return duplexPair()[0]
  }

  close(): void {}
}
