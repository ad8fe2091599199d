import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/**
 * Metrics that are read when they are asked for: each is a name, a help text and a function. The
 * table is also what `docs/reference/metrics.md` is generated from.
 */
export interface MetricRow {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels?: readonly string[]
}

export type Samples = readonly (readonly [labels: Record<string, string>, value: number])[]

/** A registry whose figures are read from `read` at each scrape. */
export class Metrics {
  readonly #registry = new Registry()

  constructor(constant: Record<string, string>) {
    this.#registry.setDefaultLabels(constant)
    // CPU, memory, file descriptors, event loop and garbage collection of the process.
    collectDefaultMetrics({ register: this.#registry })
  }

  add(row: MetricRow, read: () => number | Samples): void {
    const samples = (): Samples => {
      const value = read()
      return typeof value === 'number' ? [[{}, value]] : value
    }
    const shared = {
      name: row.name,
      help: row.help,
      labelNames: [...(row.labels ?? [])],
      registers: [this.#registry],
    }
    if (row.kind === 'gauge') {
      new Gauge({
        ...shared,
        collect() {
          this.reset()
          for (const [labels, value] of samples()) this.set(labels, value)
        },
      })
    } else {
      new Counter({
        ...shared,
        collect() {
          this.reset()
          for (const [labels, value] of samples()) this.inc(labels, value)
        },
      })
    }
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

/** Rows of a table of metrics, and how each of them is read from `S`. */
export type MetricTable<S> = readonly (readonly [
  row: MetricRow,
  read: (source: S) => number | Samples,
])[]

export function addTable<S>(metrics: Metrics, table: MetricTable<S>, source: () => S): void {
  for (const [row, read] of table) metrics.add(row, () => read(source()))
}
