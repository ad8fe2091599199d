import type { OwnerAddress } from '../wire.ts'
import { HostLink, type HostLinkHandlers, type HostLinkInit } from './session-link.ts'

export interface LinkLimits {
  readonly token: string
  readonly connectTimeoutMs: number
}

/** The links of a shard: one per host, opened when a session goes there. */
export class HostLinks {
  readonly #handlers: HostLinkHandlers
  readonly #hello: HostLinkInit['hello']
  readonly #links = new Map<string, HostLink>()
  #limits: LinkLimits

  constructor(handlers: HostLinkHandlers, init: LinkLimits & Pick<HostLinkInit, 'hello'>) {
    this.#handlers = handlers
    this.#hello = init.hello
    this.#limits = init
  }

  /** For links that are opened from now on. */
  setLimits(limits: LinkLimits): void {
    this.#limits = limits
  }

  to(owner: OwnerAddress): HostLink {
    const { node, host, port } = owner
    const key = `${host}:${port}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const { token, connectTimeoutMs } = this.#limits
    const link = new HostLink(
      {
        frame: this.#handlers.frame,
        closed: (closed, why) => {
          if (this.#links.get(key) === closed) this.#links.delete(key)
          this.#handlers.closed(closed, why)
        },
      },
      { node, host, port, token, hello: this.#hello, connectTimeoutMs },
    )
    this.#links.set(key, link)
    return link
  }

  /** Gossip found the node dead: its links are over, even when TCP does not know it yet. */
  nodeDown(node: string): void {
    const links = Array.from(this.#links.values())
    for (const link of links) if (link.node === node) link.destroy(`node ${node} is down`)
  }

  /** Sends what is left on each, then closes it. */
  end(): void {
    for (const link of this.#links.values()) link.end()
    this.#links.clear()
  }
}
