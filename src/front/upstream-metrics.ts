import type { MetricTable } from '../admin/metrics.ts'
import type { UpstreamInfo } from './upstream-states.ts'

const labels = ['upstream'] as const

function each(
  read: (info: UpstreamInfo) => number,
): (infos: readonly UpstreamInfo[]) => [Record<string, string>, number][] {
  return (infos) => infos.map((info) => [{ upstream: info.url }, read(info)])
}

/** What a front tells Prometheus of its upstreams. */
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
      name: 'aries_front_upstream_requests_in_flight',
      help: 'Requests and tunnels in flight at an upstream.',
      kind: 'gauge',
      labels,
    },
    each(({ inFlight }) => inFlight),
  ],
  [
    {
      name: 'aries_front_upstream_requests_total',
      help: 'Attempts at an upstream.',
      kind: 'counter',
      labels,
    },
    each(({ requests }) => requests),
  ],
  [
    {
      name: 'aries_front_upstream_failures_total',
      help: 'Attempts that it answered with 500 to 599, or not at all.',
      kind: 'counter',
      labels,
    },
    each(({ failed }) => failed),
  ],
]
