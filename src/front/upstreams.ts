/** The upstreams as a shard knows them: in flight there, and whether they are healthy. */
import type { Logger } from '../log.ts'
import { HttpProxyForwarder } from './forward/http-proxy.ts'
import type { Target } from './plan.ts'
import type { UpstreamAddress } from './routes.ts'

export class Upstream {
  readonly address: UpstreamAddress
  healthy = true
  readonly #log: Logger
  readonly #target: Target
  #inFlight = 0
  #isRetired = false
  #viaHttpProxy: { target: Target; forwarder: HttpProxyForwarder } | undefined

  constructor(components: { log: Logger }, address: UpstreamAddress) {
    this.#log = components.log
    this.address = address
    const { url, host, port } = address
    this.#target = { id: url, poolKey: `${host}:${port}`, host, port }
  }

  target(forwarder: 'aries' | 'http-proxy'): Target {
    return forwarder === 'aries' ? this.#target : this.#openHttpProxy().target
  }

  /** Requests or connections of this shard there. */
  get inFlight(): number {
    return this.#inFlight
  }

  begin(): void {
    this.#inFlight += 1
  }

  end(): void {
    this.#inFlight -= 1
    if (this.#isRetired) this.retire()
  }

  /** No route has it any more: it closes when nothing is in flight there. */
  retire(): void {
    this.#isRetired = true
    if (this.#inFlight > 0) return
    this.#viaHttpProxy?.forwarder.close()
    this.#viaHttpProxy = undefined
  }

  #openHttpProxy(): { target: Target; forwarder: HttpProxyForwarder } {
    if (this.#viaHttpProxy === undefined) {
      const forwarder = new HttpProxyForwarder({ log: this.#log }, { upstream: this.address.url })
      const target: Target = {
        ...this.#target,
        poolKey: `http-proxy ${this.#target.poolKey}`,
        connect: () => forwarder.connect(),
      }
      this.#viaHttpProxy = { target, forwarder }
    }
    return this.#viaHttpProxy
  }
}

/** Every upstream of the routes and listeners once, so that a reload does not forget its state. */
export class Upstreams {
  readonly #log: Logger
  #byUrl = new Map<string, Upstream>()

  constructor(components: { log: Logger }) {
    this.#log = components.log
  }

  /** Keeps those of `addresses` that are known, makes the others, forgets the rest. */
  set(addresses: readonly UpstreamAddress[]): void {
    const before = this.#byUrl
    this.#byUrl = new Map()
    for (const address of addresses) {
      const upstream = before.get(address.url) ?? new Upstream({ log: this.#log }, address)
      this.#byUrl.set(address.url, upstream)
    }
    for (const [url, upstream] of before) if (!this.#byUrl.has(url)) upstream.retire()
  }

  get(url: string): Upstream {
    const upstream = this.#byUrl.get(url)
    if (upstream === undefined) throw new Error(`upstream ${url} is not set`)
    return upstream
  }

  setHealth(url: string, healthy: boolean): void {
    const upstream = this.#byUrl.get(url)
    if (upstream !== undefined) upstream.healthy = healthy
  }

  close(): void {
    this.set([])
  }
}
