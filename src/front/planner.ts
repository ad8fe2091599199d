import type { ConfigFile } from '../config/schema.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { METHODS } from '../node-http.ts'
import { fillTemplate } from '../path-pattern.ts'
import type { Random } from '../world.ts'
import type { Balancing } from './balance/balancing.ts'
import { compileStickiness } from './balance/stickiness.ts'
import { TaskPicker, taskHeaders } from './balance/task.ts'
import { type BoundGroup, UpstreamPicker } from './balance/upstreams.ts'
import { type WorkerBalance, WorkerPicker } from './balance/worker.ts'
import { RouteHedging } from './hedges.ts'
import type { Meters, RouteMeter } from './meters.ts'
import { countAnswer, type RouteKind, type ShardStats } from './metrics.ts'
import { RouteMirror } from './mirrors.ts'
import type { BodyLimit, Plan, Planner, RequestHead, Target } from './plan.ts'
import { RateLimits, type RateVerdict } from './rate-limits.ts'
import type { RateTable } from './rate-table.ts'
import { replyError } from './reply.ts'
import { compileTerms, type ForwardTerms } from './route-terms.ts'
import type { CompiledRoute, Match, RouteTable } from './routes.ts'
import type { Shedder } from './shedder.ts'
import type { WebSocketClients } from './websocket-clients.ts'

export interface PlannerComponents {
  readonly balancing: Balancing
  readonly workers: WorkerBalance
  readonly webSockets: WebSocketClients
  readonly stats: ShardStats
  readonly meters: Meters
  readonly random: Random
  readonly rates: RateTable
  readonly shedder: Shedder
}

/** What a pool, a host and http-proxy can read: Node's parser refuses every other method. */
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)

/** Statuses of upstreams that another may have a better answer for. */
const RETRIED = [502, 503, 504]

/** What the targets of a kind of route take of a body. */
export type BodyLimits = Readonly<Record<'task' | 'worker', BodyLimit>>

export interface PlannerInit {
  readonly table: RouteTable
  /** For `aries-auth`; empty: none. */
  readonly token: string
  readonly bodyLimits: BodyLimits
  /** What routes have that say nothing else. */
  readonly front: ConfigFile['front']
}

/** Gives each request of a shard its plan by the routes in force. */
export class RoutePlanner implements Planner {
  readonly #components: PlannerComponents
  #table: RouteTable
  #bodyLimits: BodyLimits
  /** What each route needs at every request, made once. */
  readonly #meters = new Map<CompiledRoute, RouteMeter>()
  readonly #headers = new Map<CompiledRoute, NonNullable<Target['headers']>>()
  readonly #groups = new Map<CompiledRoute, BoundGroup>()
  readonly #terms = new Map<CompiledRoute, ForwardTerms>()
  readonly #rates = new Map<CompiledRoute, RateLimits>()
  readonly #mirrors = new Map<CompiledRoute, RouteMirror>()
  readonly #hedges = new Map<CompiledRoute, RouteHedging>()

  constructor(components: PlannerComponents, init: PlannerInit) {
    this.#components = components
    this.#table = init.table
    this.#bodyLimits = init.bodyLimits
    this.setRoutes(init)
  }

  /** Requests that have their plan keep it. `Upstreams` knows those of `table` already. */
  setRoutes({ table, token, bodyLimits, front }: PlannerInit): void {
    const { meters, stats } = this.#components
    meters.keepRoutes(new Set(table.routes.map(({ name }) => name)))
    this.#meters.clear()
    this.#headers.clear()
    this.#groups.clear()
    this.#terms.clear()
    this.#rates.clear()
    this.#mirrors.clear()
    this.#hedges.clear()
    for (const route of table.routes) {
      const meter = meters.route(route.name)
      this.#meters.set(route, meter)
      if (route.kind === 'task') this.#headers.set(route, taskHeaders(route.task, token))
      if (route.kind === 'upstreams') {
        const group = this.#components.balancing.openGroup(route, {
          ...route.queue,
          priority: route.priority,
        })
        const stickiness = route.sticky && compileStickiness(route.sticky, group)
        if (route.mirror) {
          this.#mirrors.set(route, new RouteMirror(this.#components, route.mirror))
        }
        if (route.hedge) this.#hedges.set(route, new RouteHedging({ stats, meter }, route.hedge))
        const retried = new Set(route.retry?.statuses ?? RETRIED)
        this.#groups.set(route, { group, stickiness, retried, meter })
      }
      if (route.rateLimits) {
        const { rates } = this.#components
        this.#rates.set(route, new RateLimits(rates, route.name, route.rateLimits))
      }
      if ('terms' in route) {
        const ofTarget = route.kind === 'upstreams' ? undefined : bodyLimits[route.kind]
        const terms = compileTerms(route.terms, front, ofTarget)
        if (terms !== undefined) this.#terms.set(route, terms)
      }
    }
    this.#table = table
    this.#bodyLimits = bodyLimits
  }

  plan(head: RequestHead): Plan {
    let match: Match | undefined
    try {
      match = this.#table.match(head)
    } catch (thrown) {
      return this.#reply(toAriesError(thrown))
    }
    if (match === undefined) {
      return this.#reply(
        new AriesError('ARIES_E_NO_ROUTE', `no route matches ${head.method} ${shown(head.path)}`),
      )
    }
    const meter = this.#meters.get(match.route)!
    head.recording?.matched(match.route.name, kindOf(match.route))
    const refusal = this.#shed(match.route, meter)
    if (refusal !== undefined) return refusal
    const rate = this.#rates.size === 0 ? undefined : this.#rates.get(match.route)?.check(head)
    if (rate?.error !== undefined) return this.#limited(rate.error, rate, meter)
    const terms = this.#terms.size === 0 ? undefined : this.#terms.get(match.route)
    const fault = terms?.checkHead?.(head)
    if (fault !== undefined) return this.#reply(fault, meter)
    const { method } = head
    if (!KNOWN_METHODS.has(method) && isReadByNode(match.route)) {
      return this.#reply(
        new AriesError('ARIES_E_METHOD_UNKNOWN', `${match.route.path} does not serve ${method}`),
        meter,
      )
    }
    const { balancing, workers, stats } = this.#components
    switch (match.route.kind) {
      case 'task':
        return {
          kind: 'forward',
          meter,
          picker: new TaskPicker(
            balancing.tasks,
            { line: balancing.taskLine(match.route.priority), meter },
            this.#headers.get(match.route) ?? [],
          ),
          bodyLimit: this.#bodyLimits.task,
          terms,
          answerHeaders: rate?.headers,
        }
      case 'upstreams': {
        const { route, taken } = match as Extract<Match, { taken: unknown }>
        const mirror = this.#mirrors.size === 0 ? undefined : this.#mirrors.get(route)
        const hedging =
          this.#hedges.size > 0 && isPlainRead(head) ? this.#hedges.get(route) : undefined
        const { rewrite, upstreamHost } = route as Extract<CompiledRoute, { kind: 'upstreams' }>
        return {
          kind: 'forward',
          meter,
          picker: new UpstreamPicker(balancing.forUpstreams, this.#groups.get(route)!, head),
          bodyLimit: undefined,
          terms,
          answerHeaders: rate?.headers,
          rewritten: rewrite === undefined ? undefined : fillTemplate(rewrite, taken, head.target),
          host: upstreamHost === 'upstream' ? '' : upstreamHost,
          mirror: head.upgrade === undefined && mirror?.isWanted === true ? mirror : undefined,
          hedging,
        }
      }
      case 'redirect': {
        const { taken, route } = match as Extract<Match, { taken: unknown }>
        const { status, to } = route as Extract<CompiledRoute, { kind: 'redirect' }>
        countAnswer(stats, 'none', status)
        const location = fillTemplate(to, taken, head.target)
        const own = [['Location', location]] as const
        return {
          kind: 'reply',
          meter,
          status,
          headers: [...own, ...(rate?.headers ?? [])],
          body: '',
        }
      }
      case 'respond': {
        const { status, headers, body } = match.route
        countAnswer(stats, 'none', status)
        const all = rate === undefined ? headers : [...headers, ...rate.headers]
        return { kind: 'reply', meter, status, headers: all, body }
      }
      case 'worker': {
        const { worker } = match as Extract<Match, { worker: unknown }>
        if (head.upgrade?.toLowerCase() === 'websocket')
          return this.#planSession(head, worker, meter)
        const repeatable = head.header('idempotency-key') !== undefined
        return {
          kind: 'forward',
          meter,
          picker: new WorkerPicker(workers, worker, repeatable),
          bodyLimit: this.#bodyLimits.worker,
          terms,
          answerHeaders: rate?.headers,
        }
      }
    }
  }

  /** Before anything is done for the request: the shard is late. */
  #shed(route: CompiledRoute, meter: RouteMeter): Plan | undefined {
    const { shedder, stats } = this.#components
    if ('priority' in route && shedder.refuses(route.priority)) {
      stats.shed += 1
      const message = `the shard is late by ${Math.round(shedder.lagMs)} ms (front.shedLagMs)`
      return this.#reply(new AriesError('ARIES_E_OVERLOADED', message), meter)
    }
    return undefined
  }

  /** It came too fast. */
  #limited(error: AriesError, { headers }: RateVerdict, meter: RouteMeter): Plan {
    const { stats } = this.#components
    stats.rateLimited += 1
    countAnswer(stats, 'none', error.status)
    return { ...replyError(error, headers), meter }
  }

  #planSession(
    head: RequestHead,
    worker: Extract<Match, { worker: unknown }>['worker'],
    meter: RouteMeter,
  ): Plan {
    const { webSockets } = this.#components
    const fault = webSockets.fault(head)
    if (fault !== undefined) return this.#reply(fault, meter)
    return {
      kind: 'take',
      meter,
      take: (socket, early) => webSockets.open(head, worker, socket, early),
    }
  }

  /** `meter`: undefined when no route matches. */
  #reply(error: AriesError, meter?: RouteMeter): Plan {
    countAnswer(this.#components.stats, 'none', error.status)
    return { ...replyError(error), meter }
  }
}

function isReadByNode(route: CompiledRoute): boolean {
  if (route.kind === 'upstreams') return route.forwarder === 'http-proxy'
  return route.kind === 'task' || route.kind === 'worker'
}

function kindOf({ kind }: CompiledRoute): RouteKind {
  return kind === 'redirect' || kind === 'respond' ? 'none' : kind
}

function isPlainRead({ method, upgrade }: RequestHead): boolean {
  return (method === 'GET' || method === 'HEAD') && upgrade === undefined
}

/** A path as a message can show it. */
function shown(path: string): string {
  return path.length <= 100 ? path : `${path.slice(0, 100)}…`
}
