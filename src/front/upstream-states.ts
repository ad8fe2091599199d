import type { Config } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'
import type { Inheritance } from './handover.ts'
import { HealthChecks } from './health.ts'
import type { ListenerAddress } from './listen.ts'
import { type Ejection, Outliers } from './outliers.ts'
import type { RouteTable } from './routes.ts'
import type { FromShard, ToShard } from './shard-ipc.ts'
import { upstreamsOf } from './upstream-addresses.ts'
import type { UpstreamTls } from './upstream-tls.ts'

/** What a front knows of one upstream: `GET /api/upstreams`. */
export interface UpstreamInfo {
  readonly url: string
  /** `out`: a check or its answers say that it is ill; `draining`: it takes no new clients. */
  readonly state: 'in' | 'out' | 'draining'
  /** Why it is out. */
  readonly why?: string
  /** How long it has been in this state. */
  readonly forMs: number
  /** How long it stays out (an outlier), or those who are bound to it may stay (it drains). */
  readonly leftMs?: number
  readonly inFlight: number
  readonly requests: number
  /** Answers of 500 to 599, and none. */
  readonly failed: number
  /** How often it was found ill, and for how long altogether. */
  readonly outs: number
  readonly outMs: number
}

/** The share that an upstream has in a route, as the configuration says it. */
export interface UpstreamWeight {
  readonly route: string
  readonly url: string
  readonly priority: number
  /** Beside those of the others of its priority; 0: no new clients. */
  readonly weight: number
}

export interface UpstreamStatesComponents {
  readonly log: Logger
  readonly world: World
  /** Tells all shards. */
  readonly tell: (message: Extract<ToShard, { url: string }>) => void
}

type Inherited = Pick<Inheritance, 'unhealthy' | 'draining'>

type Heard = Extract<FromShard, { type: 'upstream-failed' | 'upstream-in-row' | 'outcomes' }>

interface State {
  checkedWell: boolean
  why: string
  /** As the shards know it. */
  healthy: boolean
  sinceMs: number
  boundUntilMs: number | undefined
  requests: number
  failed: number
  outs: number
  /** Of the times that are over. */
  outMs: number
  outSinceMs: number
  /** Requests when `hadTraffic` was asked last. */
  asked: number
  /** By shard. */
  readonly inFlight: Map<number, number>
}

/** How often outliers come back and rates are compared. */
const LOOK_MS = 500
/** Upstreams that have a note of their own. */
const NOTES_MAX = 10

/**
 * Which upstreams are well, and which drain: once for all shards of a front. Three judge: the checks,
 * the shards that cannot connect, and the answers to clients.
 */
export class UpstreamStates {
  readonly #components: UpstreamStatesComponents
  readonly #health: HealthChecks
  readonly #outliers = new Outliers()
  #states = new Map<string, State>()
  /** What the process before this one knew; until the first `set`. */
  #inherited: Inherited | undefined
  #weights: readonly UpstreamWeight[] = []
  #looking: TimerHandle | undefined

  constructor(components: UpstreamStatesComponents, inherited?: Inherited) {
    this.#components = components
    this.#inherited = inherited
    this.#health = new HealthChecks({
      world: components.world,
      onChange: (url, healthy, why) => this.#checked(url, healthy, why),
      onPassed: (url) => {
        if (this.#outliers.checked(url)) this.#settle(url)
      },
      hadTraffic: (url) => this.#hadTraffic(url),
    })
  }

  /** Knows these and no others; a new one is well until it is found not to be. */
  set(
    table: RouteTable,
    listeners: readonly ListenerAddress[],
    { health, outliers }: Pick<Config, 'health' | 'outliers'>,
    tls: ReadonlyMap<string, UpstreamTls>,
  ): void {
    const addresses = upstreamsOf(table, listeners)
    this.#states = new Map(
      addresses.map(({ url }) => [url, this.#states.get(url) ?? this.#first(url)]),
    )
    this.#weights = weightsOf(table)
    const groups = new Map<string, string[]>()
    for (const [index, route] of table.routes.entries()) {
      if (route.kind !== 'upstreams') continue
      for (const { url } of route.items.flatMap((item) => item.upstreams)) {
        groups.set(url, [...(groups.get(url) ?? []), String(index)])
      }
    }
    const watched = addresses.filter(({ url }) => groups.has(url))
    this.#outliers.set(
      new Map(
        watched.map(({ url, outliers: own }) => {
          const rules = { ...outliers, ...own } as Config['outliers']
          return [url, { rules, groups: groups.get(url)! }]
        }),
      ),
    )
    this.#health.set(addresses, health, tls, this.#inherited?.unhealthy)
    this.#inherited = undefined
    this.#looking ??= this.#lookLater()
  }

  hear(message: Heard): void {
    if (message.type === 'upstream-failed') {
      this.#health.failed(message.url, message.why)
    } else if (message.type === 'upstream-in-row') {
      const what = message.rule === '5xx' ? 'requests' : 'requests without an answer of its own'
      const why = `${message.count} ${what} failed in a row`
      this.#ejected(this.#outliers.failedInRow(message.url, why, this.#nowMs))
    } else {
      for (const { url, requests, failed, inFlight } of message.outcomes) {
        const state = this.#states.get(url)
        if (state === undefined) continue
        state.requests += requests
        state.failed += failed
        state.inFlight.set(message.shard, inFlight)
        this.#outliers.count(url, requests, failed)
      }
    }
  }

  /** A shard crashed: nothing is in flight there. */
  shardEnded(shard: number): void {
    for (const { inFlight } of this.#states.values()) inFlight.delete(shard)
  }

  /** Takes no new clients; those who are bound to it stay for `boundMs`. Throws `ARIES_E_UPSTREAM_UNKNOWN`. */
  drain(url: string, boundMs: number): UpstreamInfo {
    const state = this.#state(url)
    state.boundUntilMs = this.#nowMs + boundMs
    state.sinceMs = this.#nowMs
    this.#components.log.info({ upstream: url, boundMs }, 'upstream drains')
    this.#components.tell({ type: 'drain', url, boundMs })
    return this.#info(url, state)
  }

  /** Throws `ARIES_E_UPSTREAM_UNKNOWN`. */
  undrain(url: string): UpstreamInfo {
    const state = this.#state(url)
    state.boundUntilMs = undefined
    state.sinceMs = this.#nowMs
    this.#components.log.info({ upstream: url }, 'upstream is back in use')
    this.#components.tell({ type: 'drain', url, boundMs: undefined })
    return this.#info(url, state)
  }

  list(): UpstreamInfo[] {
    return [...this.#states].map(([url, state]) => this.#info(url, state))
  }

  /** What each route gives its upstreams. */
  weights(): readonly UpstreamWeight[] {
    return this.#weights
  }

  /** For `aries status`: which are out, which drain. */
  notes(): string[] {
    const away = this.list().filter(({ state }) => state !== 'in')
    const lines = away
      .slice(0, NOTES_MAX)
      .map(({ url, state, why }) => `upstream ${url} is ${state}${why ? `: ${why}` : ''}`)
    const more = away.length - lines.length
    return more === 0 ? lines : [...lines, `${more} more upstreams are out or drain`]
  }

  unhealthy(): readonly string[] {
    if (this.#inherited) return this.#inherited.unhealthy
    return [...this.#states].filter(([, { healthy }]) => !healthy).map(([url]) => url)
  }

  draining(): Inherited['draining'] {
    if (this.#inherited) return this.#inherited.draining
    return [...this.#states].flatMap(([url, { boundUntilMs }]) =>
      boundUntilMs === undefined ? [] : [{ url, boundMs: Math.max(0, boundUntilMs - this.#nowMs) }],
    )
  }

  async stop(): Promise<void> {
    this.#looking?.cancel()
    await this.#health.stop()
  }

  get #nowMs(): number {
    return this.#components.world.clock.nowMs()
  }

  #first(url: string): State {
    const state = emptyState(this.#nowMs)
    if (this.#inherited?.unhealthy.includes(url)) {
      state.checkedWell = false
      state.healthy = false
      state.outSinceMs = this.#nowMs
      state.why = 'the process before found it ill'
    }
    const drain = this.#inherited?.draining.find((each) => each.url === url)
    if (drain) state.boundUntilMs = this.#nowMs + drain.boundMs
    return state
  }

  #state(url: string): State {
    const state = this.#states.get(url)
    if (state !== undefined) return state
    throw new AriesError('ARIES_E_UPSTREAM_UNKNOWN', `no route or listener has an upstream ${url}`)
  }

  #info(url: string, state: State): UpstreamInfo {
    const { healthy, why, sinceMs, boundUntilMs, requests, failed, outs } = state
    const nowMs = this.#nowMs
    const outMs = this.#outliers.leftMs(url, nowMs)
    const leftMs = boundUntilMs === undefined ? outMs : Math.max(0, boundUntilMs - nowMs)
    return {
      url,
      state: boundUntilMs !== undefined ? 'draining' : healthy ? 'in' : 'out',
      ...(healthy ? undefined : { why }),
      forMs: Math.round(nowMs - sinceMs),
      ...(boundUntilMs === undefined && outMs === 0 ? undefined : { leftMs: Math.round(leftMs) }),
      inFlight: [...state.inFlight.values()].reduce((sum, one) => sum + one, 0),
      requests,
      failed,
      outs,
      outMs: Math.round(healthy ? state.outMs : state.outMs + nowMs - state.outSinceMs),
    }
  }

  #hadTraffic(url: string): boolean {
    const state = this.#states.get(url)
    if (state === undefined) return false
    const had = state.requests !== state.asked
    state.asked = state.requests
    return had
  }

  #checked(url: string, healthy: boolean, why: string): void {
    const state = this.#states.get(url)
    if (state === undefined) return
    state.checkedWell = healthy
    if (!healthy) state.why = why
    this.#settle(url)
  }

  #ejected(ejection: Ejection | undefined): void {
    const state = ejection && this.#states.get(ejection.url)
    if (ejection === undefined || state === undefined) return
    state.why = `${ejection.why}; out for ${Math.round(ejection.ms / 1_000)} s`
    this.#settle(ejection.url)
  }

  #settle(url: string): void {
    const state = this.#states.get(url)
    if (state === undefined) return
    const healthy = state.checkedWell && !this.#outliers.isOut(url)
    if (healthy === state.healthy) return
    state.healthy = healthy
    state.sinceMs = this.#nowMs
    if (healthy) state.outMs += this.#nowMs - state.outSinceMs
    else {
      state.outs += 1
      state.outSinceMs = this.#nowMs
    }
    const why = healthy ? undefined : state.why
    this.#components.log[healthy ? 'info' : 'warn'](
      { upstream: url, healthy, why },
      'upstream health changed',
    )
    this.#components.tell({ type: 'health', url, healthy })
  }

  #lookLater(): TimerHandle {
    return this.#components.world.clock.after(LOOK_MS, () => {
      for (const url of this.#outliers.back(this.#nowMs)) this.#settle(url)
      for (const ejection of this.#outliers.compare(this.#nowMs)) this.#ejected(ejection)
      this.#looking = this.#lookLater()
    })
  }
}

function weightsOf({ routes }: RouteTable): UpstreamWeight[] {
  return routes.flatMap((route) =>
    route.kind !== 'upstreams'
      ? []
      : route.items.flatMap(({ upstreams, weight, priority, drain }) =>
          upstreams.map(({ url }) => ({
            route: route.name,
            url,
            priority,
            weight: drain ? 0 : weight === undefined ? 1 : weight / upstreams.length,
          })),
        ),
  )
}

function emptyState(nowMs: number): State {
  return {
    checkedWell: true,
    why: '',
    healthy: true,
    sinceMs: nowMs,
    boundUntilMs: undefined,
    requests: 0,
    failed: 0,
    outs: 0,
    outMs: 0,
    outSinceMs: 0,
    asked: 0,
    inFlight: new Map(),
  }
}
