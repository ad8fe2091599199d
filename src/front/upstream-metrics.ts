import type { MetricTable } from '../admin/metrics.ts'
import type { UpstreamInfo, UpstreamWeight } from './upstream-states.ts'

const labels = ['upstream'] as const

function each(
  read: (info: UpstreamInfo) => number,
): (infos: readonly UpstreamInfo[]) => [Record<string, string>, number][] {
  return (infos) => infos.map((info) => [{ upstream: info.url }, read(info)])
}

/** What a front tells Prometheus of the state of its upstreams; of their traffic: `TRAFFIC_METRICS`. */
export const UPSTREAM_METRICS: MetricTable<readonly UpstreamInfo[]> = [
  [
    {
      name: 'aries_front_upstream_up',
      help: '1 while an upstream is well, 0 while a check or its answers say that it is not.',
      kind: 'gauge',
      labels,
    },
    each(({ why }) => (why === undefined ? 1 : 0)),
  ],
  [
    {
      name: 'aries_front_upstream_draining',
      help: '1 while an upstream takes no new clients (`aries drain-upstream`).',
      kind: 'gauge',
      labels,
    },
    each(({ state }) => (state === 'draining' ? 1 : 0)),
  ],
  [
    {
      name: 'aries_front_upstream_outs_total',
      help: 'Times that it was found ill, by a check or its answers.',
      kind: 'counter',
      labels,
    },
    each(({ outs }) => outs),
  ],
  [
    {
      name: 'aries_front_upstream_out_seconds_total',
      help: 'How long it has been ill altogether, in seconds.',
      kind: 'counter',
      labels,
    },
    each(({ outMs }) => outMs / 1_000),
  ],
]

/** Shares of upstreams in their routes. */
export const WEIGHT_METRICS: MetricTable<readonly UpstreamWeight[]> = [
  [
    {
      name: 'aries_front_upstream_weight',
      help: 'Share of an upstream in a route beside the others of its priority, as configured; 0: no new clients.',
      kind: 'gauge',
      labels: ['route', 'upstream', 'priority'],
    },
    (weights) =>
      weights.map(({ route, url, priority, weight }) => [
        { route, upstream: url, priority: String(priority) },
        weight,
      ]),
  ],
]
