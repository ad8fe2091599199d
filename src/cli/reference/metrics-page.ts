import { MEMBER_METRICS } from '../../admin/member-metrics.ts'
import type { MetricRow } from '../../admin/metrics.ts'
import { FRONT_METRICS } from '../../front/metric-table.ts'
import { SPAN_METRICS } from '../../front/span-metrics.ts'
import { TRAFFIC_METRICS } from '../../front/traffic-metrics.ts'
import { UPSTREAM_METRICS, WEIGHT_METRICS } from '../../front/upstream-metrics.ts'
import { NODE_METRICS } from '../../node/metrics.ts'
import { markdownTable, page } from './markdown.ts'

/** `docs/reference/metrics.md`: what `GET /metrics` tells. */
export function metricsPage(): string {
  return page('Metrics', [
    'Every front and node answers `GET /metrics` on its admin port, in the text format of Prometheus. All samples carry `role` and `id`. Besides those below there are the usual figures of a Node.js process (`process_*`, `nodejs_*`).',
    '## Fronts',
    table(
      [
        ...FRONT_METRICS,
        ...TRAFFIC_METRICS,
        ...UPSTREAM_METRICS,
        ...WEIGHT_METRICS,
        ...SPAN_METRICS,
      ].map(([row]) => row),
    ),
    '## Nodes',
    table(NODE_METRICS.map(([row]) => row)),
    '## Both',
    table(MEMBER_METRICS.map(([row]) => row)),
  ])
}

function table(rows: readonly MetricRow[]): string {
  return markdownTable(
    ['metric', 'kind', 'labels', 'what'],
    rows.map((row) => [
      `\`${row.name}\``,
      row.kind,
      (row.labels ?? []).map((label) => `\`${label}\``).join(' '),
      row.help,
    ]),
  )
}
