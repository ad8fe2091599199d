/** The upstreams as a shard knows them: in flight there, and whether they are healthy. */
import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { RequestChooser } from '../placement/request-chooser.ts'
import { HttpProxyForwarder } from './forward/http-proxy.ts'
import type { Meters, TargetMeter } from './meters.ts'
import { type InRow, type InRowLimits, Outcomes, type UpstreamOutcome } from './outcomes.ts'
import type { Target } from './plan.ts'
import type { UpstreamAddress } from './routes.ts'
import { TlsConnector, type UpstreamTls } from './upstream-tls.ts'

/** Upstreams that a front can have at a time, and slots for them and for those that are leaving. */
const UPSTREAMS_MAX = 1_024
export const UPSTREAM_SLOTS = 4 * UPSTREAMS_MAX

export class Upstream {
  address: UpstreamAddress
  /** Its place in the chooser. */
  readonly slot: number
  readonly meter: TargetMeter
  healthy = true
  /** What `inFlight` was when it was told last. */
  told = 0
  /** Until when clients that are bound to it may stay, on the clock of `performance`; undefined: it does not drain. */
  #boundUntilMs: number | undefined
  readonly #log: Logger
  #target: Target
  #tls: UpstreamTls | undefined
  #inFlight = 0
  #isRetired = false
  #viaHttpProxy: { target: Target; forwarder: HttpProxyForwarder } | undefined

  constructor(
    components: { log: Logger; meter: TargetMeter },
    address: UpstreamAddress,
    slot: number,
  ) {
    this.#log = components.log
    this.meter = components.meter
    this.address = address
    this.slot = slot
    this.#target = targetOf(address, undefined, this.meter)
  }

  /** Takes no new clients. */
  get draining(): boolean {
    return this.#boundUntilMs !== undefined
  }

  /** It drains, and the time of those who are bound to it is over. */
  isLeft(nowMs: number): boolean {
    return this.#boundUntilMs !== undefined && nowMs >= this.#boundUntilMs
  }

  /** `boundUntilMs`: undefined to take it back into use. */
  setDrain(boundUntilMs: number | undefined): void {
    this.#boundUntilMs = boundUntilMs
  }

  /** Its limits or its certificates may have changed. */
  setAddress(address: UpstreamAddress, tls: UpstreamTls | undefined): void {
    const isSame = isDeepStrictEqual([address, tls], [this.address, this.#tls])
    this.address = address
    this.#tls = tls
    if (!isSame) this.#target = targetOf(address, tls, this.meter)
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

function rulesOf(rules: InRowLimits, { outliers }: UpstreamAddress): InRowLimits {
  return {
    consecutive5xx: outliers?.consecutive5xx ?? rules.consecutive5xx,
    consecutiveGateway: outliers?.consecutiveGateway ?? rules.consecutiveGateway,
  }
}

let connectors = 0

/** The upstream at that address as a target. `tls`: undefined for the usual trust. */
export function targetOf(address: UpstreamAddress, tls?: UpstreamTls, meter?: TargetMeter): Target {
  const { url, scheme, host, port, socketPath, connectionsMax } = address
  const poolKey = socketPath ?? `${host}:${port}`
  const base = { id: url, poolKey, host, port, connectionsMax, meter }
  if (scheme === 'h2c') return { ...base, http2: () => connect({ host, port, noDelay: true }) }
  if (scheme !== 'https' && scheme !== 'h2') return { ...base, ...(socketPath && { socketPath }) }
  const connector = new TlsConnector(address, tls)
  return {
    ...base,
    // With other certificates connections are others.
    poolKey: `${url} ${++connectors}`,
    secure: true,
    connect: () => connector.connect('http/1.1'),
    ...(scheme === 'h2' && { http2: () => connector.connect('h2') }),
  }
}

export interface UpstreamsComponents {
  readonly log: Logger
  readonly chooser: RequestChooser
  readonly meters: Meters
  /** Requests there failed in a row. */
  readonly onInRow: (url: string, rule: InRow, count: number) => void
}

/** Every upstream of the routes and listeners once, so that a reload does not forget its state. */
export class Upstreams {
  readonly #log: Logger
  readonly #chooser: RequestChooser
  readonly #meters: Meters
  readonly counted: Outcomes
  #rules: InRowLimits = { consecutive5xx: 0, consecutiveGateway: 0 }
  #byUrl = new Map<string, Upstream>()
  readonly #bySlot: (Upstream | undefined)[] = []

  constructor(components: UpstreamsComponents) {
    this.#log = components.log
    this.#chooser = components.chooser
    this.#meters = components.meters
    this.counted = new Outcomes(UPSTREAM_SLOTS, (slot, rule, count) => {
      const upstream = this.#bySlot[slot]
      if (upstream !== undefined) components.onInRow(upstream.address.url, rule, count)
    })
  }

  /** Of all upstreams whose route says nothing else; in force with the next `set`. */
  setRules(rules: InRowLimits): void {
    this.#rules = rules
  }

  /** How those that have or had requests since the last call answered them. */
  outcomes(): UpstreamOutcome[] {
    const outcomes: UpstreamOutcome[] = []
    for (const [url, { slot, inFlight, told }] of this.#byUrl) {
      const taken = this.counted.take(slot)
      if (taken.requests === 0 && inFlight === told) continue
      this.#byUrl.get(url)!.told = inFlight
      outcomes.push({ url, ...taken, inFlight })
    }
    return outcomes
  }

  /**
   * Keeps those of `addresses` that are known, makes the others, forgets the rest. `tls`: by URL. Throws
   * `ARIES_E_CONFIG` when they are too many.
   */
  set(
    addresses: readonly UpstreamAddress[],
    tls: ReadonlyMap<string, UpstreamTls> = new Map(),
  ): void {
    if (addresses.length > UPSTREAMS_MAX) {
      throw new AriesError('ARIES_E_CONFIG', `more than ${UPSTREAMS_MAX} upstreams`)
    }
    const before = this.#byUrl
    const wanted = new Set(addresses.map(({ url }) => url))
    for (const [url, upstream] of before) {
      if (wanted.has(url)) continue
      upstream.retire()
      this.#meters.forgetTarget(url)
      this.#bySlot[upstream.slot] = undefined
    }
    this.#byUrl = new Map(
      addresses.map((address) => [address.url, before.get(address.url) ?? this.#open(address)]),
    )
    for (const address of addresses) {
      const upstream = this.#byUrl.get(address.url)!
      upstream.setAddress(address, tls.get(address.url))
      this.#chooser.setInFlightMax(upstream.slot, address.inFlightMax)
      this.counted.setLimits(upstream.slot, rulesOf(this.#rules, address))
    }
    // At the start all are equally new.
    if (before.size === 0) return
    for (const [url, { slot }] of this.#byUrl) if (!before.has(url)) this.#chooser.renew(slot)
  }

  get(url: string): Upstream {
    const upstream = this.#byUrl.get(url)
    if (upstream === undefined) throw new Error(`upstream ${url} is not set`)
    return upstream
  }

  bySlot(slot: number): Upstream | undefined {
    return this.#bySlot[slot]
  }

  /** `boundMs`: how long clients that are bound to it may stay; undefined: it is back in use. */
  setDrain(url: string, boundMs: number | undefined): void {
    const upstream = this.#byUrl.get(url)
    if (upstream === undefined) return
    upstream.setDrain(boundMs === undefined ? undefined : performance.now() + boundMs)
    this.#chooser.healthEpoch += 1
  }

  setHealth(url: string, healthy: boolean): void {
    const upstream = this.#byUrl.get(url)
    if (upstream === undefined || upstream.healthy === healthy) return
    upstream.healthy = healthy
    this.#chooser.setHealthy(upstream.slot, healthy)
    if (!healthy) return
    this.#chooser.renew(upstream.slot)
    this.counted.renew(upstream.slot)
  }

  close(): void {
    this.set([])
  }

  #open(address: UpstreamAddress): Upstream {
    let slot = 0
    while (this.#bySlot[slot] !== undefined || this.#chooser.loads.inFlight[slot] !== 0) slot++
    this.#chooser.setHealthy(slot, true)
    this.counted.renew(slot)
    const meter = this.#meters.target(address.url)
    const upstream = new Upstream({ log: this.#log, meter }, address, slot)
    this.#bySlot[slot] = upstream
    return upstream
  }
}
