/**
 * The routes of the configuration, compiled: which task, worker, upstreams or answer a request means.
 * Tried in order; parameters that become keys are percent-decoded. Pure.
 */
import { parseUpstream, type UpstreamUrl, upstreamForms } from '../config/address.ts'
import { moduleName } from '../config/module-name.ts'
import { type UpstreamEntry, urlsOf } from '../config/routes.ts'
import type { RouteTermsConfig } from '../config/schema/routes.ts'
import type { Priority } from '../config/schema/traffic.ts'
import type { Route } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { KEY_BYTES_MAX, type WorkerId } from '../identity.ts'
import { PathPattern, type Taken } from '../path-pattern.ts'
import type { StickyConfig } from './balance/stickiness.ts'
import { type Conditioned, compileConditions } from './route-conditions.ts'

/** What all routes may have. */
interface RouteBase {
  readonly path: string
  readonly rateLimits: Route['rateLimits']
  /** Tells it from the other routes, also after a reload. */
  readonly name: string
}

export type CompiledRoute = RouteBase & RouteKinds

type RouteKinds =
  | {
      readonly kind: 'task'
      readonly task: string
      readonly terms: RouteTermsConfig
      readonly priority: Priority
    }
  | {
      readonly kind: 'worker'
      readonly class: string
      readonly terms: RouteTermsConfig
      readonly priority: Priority
    }
  | {
      readonly kind: 'upstreams'
      readonly items: readonly UpstreamItem[]
      readonly sticky: StickyConfig | undefined
      readonly queue: UpstreamsRoute['queue']
      readonly retry: UpstreamsRoute['retry']
      readonly mirror: UpstreamsRoute['mirror']
      readonly hedge: UpstreamsRoute['hedge']
      readonly rewrite: string | undefined
      readonly upstreamHost: string | undefined
      readonly terms: RouteTermsConfig
      readonly priority: Priority
      readonly forwarder: 'aries' | 'http-proxy'
    }
  | {
      readonly kind: 'redirect'
      readonly to: string
      readonly status: number
    }
  | {
      readonly kind: 'respond'
      readonly status: number
      readonly headers: readonly (readonly [string, string])[]
      readonly body: string
    }

/** A server that Aries did not start. */
export interface UpstreamAddress extends UpstreamUrl {
  /** As the configuration writes it: its name in logs and metrics. */
  readonly url: string
  /** Of one shard; undefined: `balance.inFlightMax`, the limit of the engine. */
  readonly inFlightMax?: number | undefined
  readonly connectionsMax?: number | undefined
  /** What its route says of its checks, and of the rules for outliers. */
  readonly health?: UpstreamsRoute['health']
  readonly outliers?: UpstreamsRoute['outliers']
}

type UpstreamsRoute = Extract<Route, { upstreams: unknown }>

/** An entry of a route's upstreams. */
export interface UpstreamItem {
  readonly upstreams: readonly UpstreamAddress[]
  readonly weight: number | undefined
  readonly priority: number
  readonly drain: boolean
}

type Kind<K extends CompiledRoute['kind']> = Extract<CompiledRoute, { kind: K }>

export type Match =
  | { readonly route: Kind<'task' | 'respond'> }
  | { readonly route: Kind<'redirect' | 'upstreams'>; readonly taken: Taken }
  | { readonly route: Kind<'worker'>; readonly worker: WorkerId }

interface Entry {
  readonly route: CompiledRoute
  readonly pattern: PathPattern
  /** Undefined when the path decides alone. */
  readonly holds: ReturnType<typeof compileConditions>
}

export class RouteTable {
  readonly #entries: readonly Entry[]

  /** Throws `ARIES_E_CONFIG` on a route that cannot be served. */
  constructor(routes: readonly Route[]) {
    this.#entries = routes.map((route) => ({
      route: { ...compileRoute(route), ...baseOf(route) },
      pattern: new PathPattern(route.path),
      holds: compileConditions(route),
    }))
  }

  get routes(): readonly CompiledRoute[] {
    return this.#entries.map((entry) => entry.route)
  }

  /**
   * The first route that takes the request. Throws `ARIES_E_BAD_REQUEST` when the worker's key is
   * not percent-encoded UTF-8 or too long.
   */
  match(head: Conditioned & { readonly path: string }): Match | undefined {
    for (const { route, pattern, holds } of this.#entries) {
      const taken = pattern.match(head.path)
      if (taken === undefined || holds?.(head) === false) continue
      if (route.kind === 'redirect' || route.kind === 'upstreams') return { route, taken }
      if (route.kind !== 'worker') return { route }
      return { route, worker: { class: route.class, key: decodeKey(taken['key'] ?? '') } }
    }
    return undefined
  }
}

/** Throws `ARIES_E_CONFIG` unless `url` is an upstream of that kind. */
export function upstreamAddress(url: string, scheme: 'http' | 'tcp'): UpstreamAddress {
  const address = parseUpstream(url, scheme)
  if (!address) {
    throw new AriesError('ARIES_E_CONFIG', `upstream "${url}" must be ${upstreamForms(scheme)}`)
  }
  return { url, ...address }
}

function baseOf({ path, host, rateLimits }: Route): RouteBase {
  return { path, rateLimits, name: `${host ?? ''}${path}` }
}

function compileRoute(route: Route): RouteKinds {
  const { path } = route
  if ('task' in route)
    return {
      kind: 'task',
      task: moduleName(route.task),
      terms: route,
      priority: route.priority ?? 'normal',
    }
  if ('upstreams' in route) {
    const { sticky, forwarder, queue, retry, mirror, hedge, rewrite, upstreamHost } = route
    const own = {
      sticky,
      forwarder,
      queue,
      retry,
      mirror,
      hedge,
      rewrite,
      upstreamHost,
      terms: route,
      priority: route.priority ?? 'normal',
    }
    return { kind: 'upstreams', items: compileItems(route), ...own }
  }
  if ('redirect' in route) {
    return { kind: 'redirect', to: route.redirect, status: route.status }
  }
  if ('respond' in route) {
    const { status, headers, body } = route.respond
    return { kind: 'respond', status, headers: Object.entries(headers), body }
  }
  if (!path.split('/').includes(':key')) {
    throw new AriesError('ARIES_E_CONFIG', `route ${path}: a worker's path needs a segment ":key"`)
  }
  return {
    kind: 'worker',
    class: moduleName(route.worker),
    terms: route,
    priority: route.priority ?? 'normal',
  }
}

function compileItems({ upstreams, health, outliers }: UpstreamsRoute): UpstreamItem[] {
  return upstreams.map((entry) => compileItem(entry, { health, outliers }))
}

function compileItem(
  item: UpstreamEntry,
  ofRoute: Pick<UpstreamsRoute, 'health' | 'outliers'>,
): UpstreamItem {
  const { weight, priority, drain, inFlightMax, connectionsMax } =
    typeof item === 'string' ? PLAIN_ENTRY : item
  const upstreams = urlsOf(item).map((url) => ({
    ...upstreamAddress(url, 'http'),
    inFlightMax,
    connectionsMax,
    ...ofRoute,
  }))
  return { upstreams, weight, priority, drain }
}

const PLAIN_ENTRY = {
  weight: undefined,
  priority: 0,
  drain: false,
  inFlightMax: undefined,
  connectionsMax: undefined,
}

function decodeKey(encoded: string): string {
  let key: string
  try {
    key = decodeURIComponent(encoded)
  } catch {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'the key in the path is not percent-encoded UTF-8')
  }
  if (key.includes('\0')) {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'the key holds a NUL, which no store can keep')
  }
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `the key is longer than ${KEY_BYTES_MAX} bytes`)
  }
  return key
}
