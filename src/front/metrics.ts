/**
 * What a shard counts, and how the main thread adds shards up for `/metrics`. Counters grow from
 * the start of the shard; gauges say how it is now. A shard sends its whole count once a second:
 * nothing is lost when a message is late, and a crashed shard's last count stays in the total.
 */

export const ROUTE_KINDS = ['task', 'worker', 'upstreams', 'none'] as const
/** Kind of the route that a request matched; `none`: no route, or not valid HTTP. */
export type RouteKind = (typeof ROUTE_KINDS)[number]

export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const
export type StatusClass = (typeof STATUS_CLASSES)[number]

/** Upper bounds of the latency histogram in milliseconds; one more bucket takes the rest. */
export const LATENCY_BOUNDS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
] as const

export const MIRROR_OUTCOMES = ['answered', 'failed', 'dropped'] as const
/** `dropped`: never sent, for the body was too large or too many were under way. */
export type MirrorOutcome = (typeof MIRROR_OUTCOMES)[number]

export interface ShardStats {
  /** Answered requests by kind of route and class of status. */
  readonly requests: Record<RouteKind, Record<StatusClass, number>>
  /** Requests from the routed head to the end of the exchange, per bucket (not cumulative). */
  readonly latency: { readonly counts: number[]; sumMs: number }
  /** Attempts after the first. */
  retries: number
  /** Requests that were refused because of a limit of rate, and because the shard was late. */
  rateLimited: number
  shed: number
  /** Second attempts beside late ones (`hedge`), and those that answered first. */
  readonly hedges: { made: number; won: number }
  /** Copies of requests (`mirror`): what became of them. */
  readonly mirrored: Record<MirrorOutcome, number>
  /** Requests in flight now. */
  inFlight: number
  /** Requests that wait because every target is full. */
  queued: number
  /** Client connections now (HTTP, WebSocket and TCP), and all so far. */
  connections: number
  connectionsTotal: number
  /** TLS handshakes that failed. */
  tlsFailures: number
  /** PROXY headers that were missing, malformed or late; clients whose server name leads nowhere. */
  proxyFailures: number
  sniFailures: number
  /** WebSockets to workers now, and all so far. */
  sessions: number
  sessionsTotal: number
  /** How often a session went on at another host. */
  rehomed: number
  /** Spliced TCP connections now, and all so far. */
  tcpConnections: number
  tcpConnectionsTotal: number
  /** From and to clients. */
  bytesIn: number
  bytesOut: number
  /** Owners in the cache, requests that wait for an owner, and resolves made so far. */
  owners: number
  waiting: number
  resolves: number
}

/** The shards of a front added up. */
export interface FrontStats extends ShardStats {
  /** Running shards, and restarts after a crash. */
  readonly shards: number
  readonly restarts: number
}

/** Bytes of connections that the HTTP engine does not count: TCP and WebSockets, when they end. */
export interface SplicedBytes {
  in: number
  out: number
}

export function emptyStats(): ShardStats {
  const classes = (): Record<StatusClass, number> => ({
    '1xx': 0,
    '2xx': 0,
    '3xx': 0,
    '4xx': 0,
    '5xx': 0,
  })
  return {
    requests: { task: classes(), worker: classes(), upstreams: classes(), none: classes() },
    latency: { counts: Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0), sumMs: 0 },
    retries: 0,
    hedges: { made: 0, won: 0 },
    mirrored: { answered: 0, failed: 0, dropped: 0 },
    rateLimited: 0,
    shed: 0,
    inFlight: 0,
    queued: 0,
    connections: 0,
    connectionsTotal: 0,
    tlsFailures: 0,
    proxyFailures: 0,
    sniFailures: 0,
    sessions: 0,
    sessionsTotal: 0,
    rehomed: 0,
    tcpConnections: 0,
    tcpConnectionsTotal: 0,
    bytesIn: 0,
    bytesOut: 0,
    owners: 0,
    waiting: 0,
    resolves: 0,
  }
}

/** Gauges: a shard that has ended has none of them any more. */
const GAUGES = [
  'inFlight',
  'queued',
  'connections',
  'sessions',
  'tcpConnections',
  'owners',
  'waiting',
] as const
const COUNTERS = [
  'retries',
  'rateLimited',
  'shed',
  'connectionsTotal',
  'tlsFailures',
  'proxyFailures',
  'sniFailures',
  'sessionsTotal',
  'rehomed',
  'tcpConnectionsTotal',
  'bytesIn',
  'bytesOut',
  'resolves',
] as const

/** Adds `from` to `into`; of a shard that has `ended`, its counters alone. */
export function addStats(into: ShardStats, from: ShardStats, ended = false): void {
  for (const kind of ROUTE_KINDS) {
    for (const status of STATUS_CLASSES) into.requests[kind][status] += from.requests[kind][status]
  }
  from.latency.counts.forEach((count, i) => {
    into.latency.counts[i]! += count
  })
  into.hedges.made += from.hedges.made
  into.hedges.won += from.hedges.won
  for (const outcome of MIRROR_OUTCOMES) into.mirrored[outcome] += from.mirrored[outcome]
  into.latency.sumMs += from.latency.sumMs
  for (const name of COUNTERS) into[name] += from[name]
  if (ended) return
  for (const name of GAUGES) into[name] += from[name]
}

/** Counts one answered request. */
export function countAnswer(stats: ShardStats, kind: RouteKind, status: number): void {
  const statusClass = STATUS_CLASSES[Math.floor(status / 100) - 1]
  if (statusClass !== undefined) stats.requests[kind][statusClass] += 1
}

/** Counts how long one request took. */
export function countLatency(stats: ShardStats, ms: number): void {
  let bucket = 0
  while (bucket < LATENCY_BOUNDS_MS.length && ms > LATENCY_BOUNDS_MS[bucket]!) bucket += 1
  stats.latency.counts[bucket]! += 1
  stats.latency.sumMs += ms
}
