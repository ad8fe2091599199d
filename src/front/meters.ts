/**
 * What a shard counts of each of its routes and targets. A request adds to fields of plain arrays, and
 * allocates nothing; once a second the rows go to the main thread, which adds up those of all shards
 * when it is asked.
 */
import { STATUS_CLASSES } from './metrics.ts'

/** Routes and targets that have a row of their own; those beyond share one. */
export const METERED_ROUTES_MAX = 256
export const METERED_TARGETS_MAX = 2_048
/** The row of those beyond. */
export const OTHERS = '(others)'

/** Upper bounds of the histograms in milliseconds, each twice the one before: 0.25 ms to 33 s. */
export const BOUNDS_MS: readonly number[] = Array.from({ length: 18 }, (_, i) => 0.25 * 2 ** i)
/** One more takes the rest. */
const BUCKETS = BOUNDS_MS.length + 1
/** The buckets (not cumulative), and the sum of all in milliseconds. */
const HISTOGRAM = BUCKETS + 1

const CLASSES = STATUS_CLASSES.length

/** Fields of a route's row; the first are its answers by class of status. */
export const ROUTE = {
  clientAborts: CLASSES,
  targetAborts: CLASSES + 1,
  bytesIn: CLASSES + 2,
  bytesOut: CLASSES + 3,
  inFlight: CLASSES + 4,
  queued: CLASSES + 5,
  retries: CLASSES + 6,
  redispatches: CLASSES + 7,
  hedgesMade: CLASSES + 8,
  hedgesWon: CLASSES + 9,
  queueTime: CLASSES + 10,
  duration: CLASSES + 10 + HISTOGRAM,
} as const
export const ROUTE_FIELDS = CLASSES + 10 + 2 * HISTOGRAM

/** Fields of a target's row; the first are its answers by class of status. */
export const TARGET = {
  attempts: CLASSES,
  connectErrors: CLASSES + 1,
  responseErrors: CLASSES + 2,
  bytesSent: CLASSES + 3,
  bytesReceived: CLASSES + 4,
  inFlight: CLASSES + 5,
  connections: CLASSES + 6,
  connectTime: CLASSES + 7,
  responseTime: CLASSES + 7 + HISTOGRAM,
} as const
export const TARGET_FIELDS = CLASSES + 7 + 2 * HISTOGRAM

/** Those that say how it is now: of a shard that has ended they count no more. */
export const ROUTE_GAUGES: readonly number[] = [ROUTE.inFlight, ROUTE.queued]
export const TARGET_GAUGES: readonly number[] = [TARGET.inFlight, TARGET.connections]

/** Of one route. */
export class RouteMeter {
  readonly values = new Float64Array(ROUTE_FIELDS)

  /** A request has matched the route. */
  began(): void {
    this.values[ROUTE.inFlight]! += 1
  }

  /** It is over. `status`: 499 when the client left, 0 when its answer broke off. */
  ended(status: number, bytesIn: number, bytesOut: number, ms: number): void {
    const { values } = this
    values[ROUTE.inFlight]! -= 1
    values[ROUTE.bytesIn]! += bytesIn
    values[ROUTE.bytesOut]! += bytesOut
    if (status === 499) values[ROUTE.clientAborts]! += 1
    else if (status === 0) values[ROUTE.targetAborts]! += 1
    else countClass(values, status)
    // A tunnel is over when its ends like.
    if (status !== 101) observe(values, ROUTE.duration, ms)
  }

  /** It waits, for every target is full. */
  queued(): void {
    this.values[ROUTE.queued]! += 1
  }

  unqueued(ms: number): void {
    this.values[ROUTE.queued]! -= 1
    observe(this.values, ROUTE.queueTime, ms)
  }

  retried(): void {
    this.values[ROUTE.retries]! += 1
  }

  redispatched(): void {
    this.values[ROUTE.redispatches]! += 1
  }

  hedged(): void {
    this.values[ROUTE.hedgesMade]! += 1
  }

  hedgeWon(): void {
    this.values[ROUTE.hedgesWon]! += 1
  }
}

/** Of one target. */
export class TargetMeter {
  readonly values = new Float64Array(TARGET_FIELDS)

  /** A request, or a raw connection, is there from now on. */
  came(): void {
    this.values[TARGET.inFlight]! += 1
  }

  left(): void {
    this.values[TARGET.inFlight]! -= 1
  }

  attempted(): void {
    this.values[TARGET.attempts]! += 1
  }

  /** A response head came, so long after the request was sent. */
  answered(status: number, ms: number): void {
    countClass(this.values, status)
    observe(this.values, TARGET.responseTime, ms)
  }

  /** An attempt found no connection. */
  connectFailed(): void {
    this.values[TARGET.connectErrors]! += 1
  }

  /** An attempt was sent, or begun, and had no whole answer. */
  unanswered(): void {
    this.values[TARGET.responseErrors]! += 1
  }

  /** Of bodies, and of raw connections. */
  sent(bytes: number): void {
    this.values[TARGET.bytesSent]! += bytes
  }

  received(bytes: number): void {
    this.values[TARGET.bytesReceived]! += bytes
  }

  /** A connection is being opened; `closed` follows in any case. */
  opening(): void {
    this.values[TARGET.connections]! += 1
  }

  /** It took so long. */
  opened(ms: number): void {
    observe(this.values, TARGET.connectTime, ms)
  }

  closed(): void {
    this.values[TARGET.connections]! -= 1
  }
}

/** The rows of a kind, one after the other, in the order of their names. */
export interface MeterRows {
  readonly names: readonly string[]
  readonly values: Float64Array
}

/** What a shard tells of its routes and targets. */
export interface Traffic {
  readonly routes: MeterRows
  readonly targets: MeterRows
}

/** All that a shard has. */
export class Meters {
  readonly #routes = new Map<string, RouteMeter>()
  readonly #targets = new Map<string, TargetMeter>()

  /** `name`: as of `CompiledRoute`; routes that share it share the meter. */
  route(name: string): RouteMeter {
    return take(this.#routes, name, METERED_ROUTES_MAX, () => new RouteMeter())
  }

  /** `id`: as of `Target`. */
  target(id: string): TargetMeter {
    return (
      this.#targets.get(id) ?? take(this.#targets, id, METERED_TARGETS_MAX, () => new TargetMeter())
    )
  }

  /** The configuration has no others any more. */
  keepRoutes(names: ReadonlySet<string>): void {
    for (const name of this.#routes.keys()) {
      if (!names.has(name) && name !== OTHERS) this.#routes.delete(name)
    }
  }

  forgetTarget(id: string): void {
    this.#targets.delete(id)
  }

  rows(): Traffic {
    return {
      routes: rowsOf(this.#routes, ROUTE_FIELDS),
      targets: rowsOf(this.#targets, TARGET_FIELDS),
    }
  }
}

/** Adds up what shards told: those that run, and the counters of those that have ended. */
export class TrafficSum {
  readonly routes = new Map<string, Float64Array>()
  readonly targets = new Map<string, Float64Array>()

  /** `ended`: of a shard that is no more. */
  add({ routes, targets }: Traffic, ended = false): void {
    addRows(this.routes, routes, ROUTE_FIELDS, ended ? ROUTE_GAUGES : [])
    addRows(this.targets, targets, TARGET_FIELDS, ended ? TARGET_GAUGES : [])
  }

  /** Adds what `ended` has of the rows that are here: the configuration has no others any more. */
  addEnded(ended: TrafficSum): void {
    for (const [into, from] of [
      [this.routes, ended.routes],
      [this.targets, ended.targets],
    ] as const) {
      for (const [name, values] of into) addValues(values, from.get(name) ?? NOTHING)
    }
  }
}

const NOTHING = new Float64Array(0)

/** Buckets, count and sum of the histogram that begins at the field `at`. */
export function histogramOf(
  values: Float64Array,
  at: number,
): { readonly buckets: Float64Array; readonly count: number; readonly sumMs: number } {
  const buckets = values.subarray(at, at + BUCKETS)
  return { buckets, count: buckets.reduce((a, b) => a + b, 0), sumMs: values[at + BUCKETS]! }
}

function countClass(values: Float64Array, status: number): void {
  const at = Math.trunc(status / 100) - 1
  if (at >= 0 && at < CLASSES) values[at]! += 1
}

function observe(values: Float64Array, at: number, ms: number): void {
  values[at + bucketOf(ms)]! += 1
  values[at + BUCKETS]! += ms
}

/** The bounds are 2^i/4 milliseconds: the bucket is a logarithm, which counting zeros tells. */
export function bucketOf(ms: number): number {
  if (ms <= 0.25) return 0
  return Math.min(BUCKETS - 1, 32 - Math.clz32(Math.ceil(ms * 4) - 1))
}

function take<M>(meters: Map<string, M>, name: string, most: number, make: () => M): M {
  const key = meters.has(name) || meters.size < most ? name : OTHERS
  let meter = meters.get(key)
  if (meter === undefined) {
    meter = make()
    meters.set(key, meter)
  }
  return meter
}

function rowsOf(
  meters: ReadonlyMap<string, { readonly values: Float64Array }>,
  fields: number,
): MeterRows {
  const values = new Float64Array(meters.size * fields)
  let at = 0
  for (const meter of meters.values()) {
    values.set(meter.values, at)
    at += fields
  }
  return { names: [...meters.keys()], values }
}

function addRows(
  into: Map<string, Float64Array>,
  { names, values }: MeterRows,
  fields: number,
  without: readonly number[],
): void {
  for (const [i, name] of names.entries()) {
    const row = values.slice(i * fields, (i + 1) * fields)
    for (const field of without) row[field] = 0
    const sum = into.get(name)
    if (sum === undefined) into.set(name, row)
    else addValues(sum, row)
  }
}

function addValues(into: Float64Array, from: Float64Array): void {
  for (let i = 0; i < from.length; i++) into[i]! += from[i]!
}
