/** What a front tells Prometheus of each of its routes and targets. */
import type { MetricRow, MetricTable, Samples } from '../admin/metrics.ts'
import {
  BOUNDS_MS,
  histogramOf,
  METERED_ROUTES_MAX,
  METERED_TARGETS_MAX,
  ROUTE,
  TARGET,
  type TrafficSum,
} from './meters.ts'
import { STATUS_CLASSES } from './metrics.ts'

type Rows = 'routes' | 'targets'
type Row = MetricTable<TrafficSum>[number]

const LABEL = { routes: 'route', targets: 'target' } as const

/** One figure of each row. */
function one(
  rows: Rows,
  name: string,
  kind: MetricRow['kind'],
  field: number,
  help: string,
): MetricTable<TrafficSum> {
  const label = LABEL[rows]
  return [
    [
      { name, help, kind, labels: [label] },
      (sum) => [...sum[rows]].map(([id, values]) => [{ [label]: id }, values[field]!] as const),
    ],
  ]
}

/** Several figures of each row, told apart by a label. */
function several(
  rows: Rows,
  name: string,
  by: string,
  fields: Readonly<Record<string, number>>,
  help: string,
): MetricTable<TrafficSum> {
  const label = LABEL[rows]
  const read = (sum: TrafficSum): Samples =>
    [...sum[rows]].flatMap(([id, values]) =>
      Object.entries(fields).map(
        ([what, field]) => [{ [label]: id, [by]: what }, values[field]!] as const,
      ),
    )
  return [[{ name, help, kind: 'counter', labels: [label, by] }, read]]
}

/** A histogram of each row. */
function histogram(rows: Rows, name: string, at: number, what: string): MetricTable<TrafficSum> {
  const label = LABEL[rows]
  const each = (read: (values: Float64Array) => number) => (sum: TrafficSum) =>
    [...sum[rows]].map(([id, values]) => [{ [label]: id }, read(values)] as const)
  const buckets: Row = [
    {
      name: `${name}_bucket`,
      help: `${what}: those of at most \`le\` seconds.`,
      kind: 'counter',
      labels: [label, 'le'],
    },
    (sum) =>
      [...sum[rows]].flatMap(([id, values]) => {
        let total = 0
        return Array.from(histogramOf(values, at).buckets, (count, i) => {
          total += count
          const bound = BOUNDS_MS[i]
          const le = bound === undefined ? '+Inf' : String(bound / 1_000)
          return [{ [label]: id, le }, total] as const
        })
      }),
  ]
  return [
    buckets,
    [
      {
        name: `${name}_sum`,
        help: `${what}: all together, in seconds.`,
        kind: 'counter',
        labels: [label],
      },
      each((values) => histogramOf(values, at).sumMs / 1_000),
    ],
    [
      {
        name: `${name}_count`,
        help: `${what}: how many.`,
        kind: 'counter',
        labels: [label],
      },
      each((values) => histogramOf(values, at).count),
    ],
  ]
}

const CLASS_FIELDS = Object.fromEntries(STATUS_CLASSES.map((name, i) => [name, i]))

export const TRAFFIC_METRICS: MetricTable<TrafficSum> = [
  ...several(
    'routes',
    'aries_front_route_requests_total',
    'code',
    CLASS_FIELDS,
    `Answered requests of each route by class of status. A route is named by its host and path; the first ${METERED_ROUTES_MAX} have figures of their own, the others share \`(others)\`.`,
  ),
  ...several(
    'routes',
    'aries_front_route_aborts_total',
    'by',
    { client: ROUTE.clientAborts, target: ROUTE.targetAborts },
    'Requests without a whole answer: the client left, or the answer of the target broke off.',
  ),
  ...several(
    'routes',
    'aries_front_route_bytes_total',
    'direction',
    { in: ROUTE.bytesIn, out: ROUTE.bytesOut },
    'Bytes of the bodies of requests and answers; those of tunnels and WebSockets not.',
  ),
  ...one(
    'routes',
    'aries_front_route_requests_in_flight',
    'gauge',
    ROUTE.inFlight,
    'Requests in flight.',
  ),
  ...one(
    'routes',
    'aries_front_route_requests_queued',
    'gauge',
    ROUTE.queued,
    'Requests that wait because every target is full.',
  ),
  ...one(
    'routes',
    'aries_front_route_retries_total',
    'counter',
    ROUTE.retries,
    'Attempts after the first.',
  ),
  ...one(
    'routes',
    'aries_front_route_redispatches_total',
    'counter',
    ROUTE.redispatches,
    'Of these, attempts at another target than the one before.',
  ),
  ...several(
    'routes',
    'aries_front_route_hedges_total',
    'what',
    { made: ROUTE.hedgesMade, won: ROUTE.hedgesWon },
    'Second attempts beside late ones (`hedge`): all that were `made`, and those that `won`.',
  ),
  ...histogram(
    'routes',
    'aries_front_route_queue_seconds',
    ROUTE.queueTime,
    'Time that requests waited because every target was full, of those that did',
  ),
  ...histogram(
    'routes',
    'aries_front_route_duration_seconds',
    ROUTE.duration,
    'Time of requests from their head to the last byte of their answer; without tunnels',
  ),
  ...one(
    'targets',
    'aries_front_target_attempts_total',
    'counter',
    TARGET.attempts,
    `Attempts at each target: a node, or an upstream (requests, and raw connections). The first ${METERED_TARGETS_MAX} have figures of their own, the others share \`(others)\`.`,
  ),
  ...several(
    'targets',
    'aries_front_target_responses_total',
    'code',
    CLASS_FIELDS,
    'What it answered, by class of status; also answers that were dropped for those of another.',
  ),
  ...one(
    'targets',
    'aries_front_target_connect_errors_total',
    'counter',
    TARGET.connectErrors,
    'Attempts that found no connection: refused, too late, no room.',
  ),
  ...one(
    'targets',
    'aries_front_target_response_errors_total',
    'counter',
    TARGET.responseErrors,
    'Attempts that had no answer, or none to its end: broken off, too late, not HTTP.',
  ),
  ...several(
    'targets',
    'aries_front_target_bytes_total',
    'direction',
    { out: TARGET.bytesSent, in: TARGET.bytesReceived },
    'Bytes of bodies sent to it (`out`) and received of it, and those of raw connections.',
  ),
  ...one(
    'targets',
    'aries_front_target_requests_in_flight',
    'gauge',
    TARGET.inFlight,
    'Requests, tunnels and raw connections there.',
  ),
  ...one(
    'targets',
    'aries_front_target_connections',
    'gauge',
    TARGET.connections,
    'Connections to it, idle ones too. All so far: `aries_front_target_connect_seconds_count`.',
  ),
  ...histogram(
    'targets',
    'aries_front_target_connect_seconds',
    TARGET.connectTime,
    'Time to open a connection, TLS included',
  ),
  ...histogram(
    'targets',
    'aries_front_target_response_seconds',
    TARGET.responseTime,
    'Time from the request sent to the head of the answer',
  ),
]
