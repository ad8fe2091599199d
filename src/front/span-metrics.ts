import type { MetricTable } from '../admin/metrics.ts'
import type { SpanExporter } from './span-exporter.ts'

/** What a front tells Prometheus of the spans that it exports. */
export const SPAN_METRICS: MetricTable<SpanExporter['counts']> = [
  [
    {
      name: 'aries_front_traced_requests_total',
      help: 'Requests to be exported as spans (`front.trace.export`): `exported`, or `dropped` because they were too many or the collector did not take them.',
      kind: 'counter',
      labels: ['outcome'],
    },
    ({ exported, dropped }) => [
      [{ outcome: 'exported' }, exported],
      [{ outcome: 'dropped' }, dropped],
    ],
  ],
]
