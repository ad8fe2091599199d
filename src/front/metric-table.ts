import type { MetricTable } from '../admin/metrics.ts'
import {
  type FrontStats,
  LATENCY_BOUNDS_MS,
  MIRROR_OUTCOMES,
  ROUTE_KINDS,
  STATUS_CLASSES,
} from './metrics.ts'

/** What a front tells Prometheus, besides the figures of its process. */
export const FRONT_METRICS: MetricTable<FrontStats> = [
  [
    {
      name: 'aries_front_requests_total',
      help: 'Answered requests by kind of route and class of status.',
      kind: 'counter',
      labels: ['route', 'code'],
    },
    (s) =>
      ROUTE_KINDS.flatMap((route) =>
        STATUS_CLASSES.map((code): [Record<string, string>, number] => [
          { route, code },
          s.requests[route][code],
        ]),
      ),
  ],
  [
    {
      name: 'aries_front_request_duration_seconds_bucket',
      help: 'Requests that took at most `le` seconds, from the routed head to the last byte.',
      kind: 'counter',
      labels: ['le'],
    },
    (s) => {
      let sum = 0
      return s.latency.counts.map((count, i): [Record<string, string>, number] => {
        sum += count
        const bound = LATENCY_BOUNDS_MS[i]
        return [{ le: bound === undefined ? '+Inf' : String(bound / 1_000) }, sum]
      })
    },
  ],
  [
    {
      name: 'aries_front_request_duration_seconds_sum',
      help: 'All that requests took together, in seconds.',
      kind: 'counter',
    },
    (s) => s.latency.sumMs / 1_000,
  ],
  [
    {
      name: 'aries_front_request_duration_seconds_count',
      help: 'Requests whose duration was counted.',
      kind: 'counter',
    },
    (s) => s.latency.counts.reduce((sum, count) => sum + count, 0),
  ],
  [
    { name: 'aries_front_retries_total', help: 'Attempts after the first.', kind: 'counter' },
    (s) => s.retries,
  ],
  [
    {
      name: 'aries_front_requests_refused_total',
      help: 'Requests refused before a target was chosen: `rate` (429, `rateLimits`), `lag` (503, `front.shedLagMs`).',
      kind: 'counter',
      labels: ['why'],
    },
    (s) => [
      [{ why: 'rate' }, s.rateLimited],
      [{ why: 'lag' }, s.shed],
    ],
  ],
  [
    {
      name: 'aries_front_hedges_total',
      help: 'Second attempts beside late ones (`hedge`): all that were `made`, and those that `won`.',
      kind: 'counter',
      labels: ['what'],
    },
    (s) => [
      [{ what: 'made' }, s.hedges.made],
      [{ what: 'won' }, s.hedges.won],
    ],
  ],
  [
    {
      name: 'aries_front_mirrored_total',
      help: 'Copies of requests for a `mirror`: `answered`, `failed`, `dropped` (too large, too many).',
      kind: 'counter',
      labels: ['outcome'],
    },
    (s) =>
      MIRROR_OUTCOMES.map((outcome): [Record<string, string>, number] => [
        { outcome },
        s.mirrored[outcome],
      ]),
  ],
  [
    { name: 'aries_front_requests_in_flight', help: 'Requests in flight.', kind: 'gauge' },
    (s) => s.inFlight,
  ],
  [
    {
      name: 'aries_front_requests_queued',
      help: 'Requests that wait because every target is full.',
      kind: 'gauge',
    },
    (s) => s.queued,
  ],
  [
    {
      name: 'aries_front_requests_waiting',
      help: 'Requests that wait for their worker to have an owner.',
      kind: 'gauge',
    },
    (s) => s.waiting,
  ],
  [
    {
      name: 'aries_front_connections',
      help: 'Open client connections by protocol.',
      kind: 'gauge',
      labels: ['protocol'],
    },
    (s) => [
      [{ protocol: 'http' }, s.connections],
      [{ protocol: 'websocket' }, s.sessions],
      [{ protocol: 'tcp' }, s.tcpConnections],
    ],
  ],
  [
    {
      name: 'aries_front_connections_total',
      help: 'Client connections taken, by protocol.',
      kind: 'counter',
      labels: ['protocol'],
    },
    (s) => [
      [{ protocol: 'http' }, s.connectionsTotal],
      [{ protocol: 'websocket' }, s.sessionsTotal],
      [{ protocol: 'tcp' }, s.tcpConnectionsTotal],
    ],
  ],
  [
    {
      name: 'aries_front_tls_failures_total',
      help: 'TLS handshakes that failed: another protocol, no common version, too slow.',
      kind: 'counter',
    },
    (s) => s.tlsFailures,
  ],
  [
    {
      name: 'aries_front_proxy_failures_total',
      help: 'Connections of trusted proxies without a whole PROXY header.',
      kind: 'counter',
    },
    (s) => s.proxyFailures,
  ],
  [
    {
      name: 'aries_front_sni_failures_total',
      help: 'TLS clients that named no server behind a TCP listener, or sent no ClientHello.',
      kind: 'counter',
    },
    (s) => s.sniFailures,
  ],
  [
    {
      name: 'aries_front_sessions_rehomed_total',
      help: 'Sessions that went on at another host, because their worker moved.',
      kind: 'counter',
    },
    (s) => s.rehomed,
  ],
  [
    {
      name: 'aries_front_bytes_total',
      help: 'Bytes from and to clients.',
      kind: 'counter',
      labels: ['direction'],
    },
    (s) => [
      [{ direction: 'in' }, s.bytesIn],
      [{ direction: 'out' }, s.bytesOut],
    ],
  ],
  [{ name: 'aries_front_owners', help: 'Owners in the cache.', kind: 'gauge' }, (s) => s.owners],
  [
    { name: 'aries_front_resolves_total', help: 'Owners asked for at a node.', kind: 'counter' },
    (s) => s.resolves,
  ],
  [{ name: 'aries_front_shards', help: 'Running shards.', kind: 'gauge' }, (s) => s.shards],
  [
    {
      name: 'aries_front_shard_restarts_total',
      help: 'Shards started again after a crash.',
      kind: 'counter',
    },
    (s) => s.restarts,
  ],
]
