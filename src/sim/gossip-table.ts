/** The figures of gossip, each beside the one that is asked: `npm run sim -- --area gossip --table`. */
import { accusationRows } from './gossip-table-accusations.ts'
import { ageRows } from './gossip-table-ages.ts'
import { crashRows } from './gossip-table-crash.ts'
import { faultRows } from './gossip-table-faults.ts'

export interface TableRow {
  /** Stable: figures of two runs are compared by it. */
  readonly name: string
  readonly measured: string
  /** Empty where nothing is. */
  readonly asked: string
  /** False: the figure is not what is asked. */
  readonly ok: boolean
}

export interface TableInit {
  /** No thousand members. */
  readonly quick: boolean
}

/** Each row as soon as it is measured. */
export function* gossipTable(init: TableInit): Generator<TableRow> {
  yield* crashRows(init)
  yield* ageRows(init)
  yield* accusationRows()
  yield* faultRows()
}

/** The value that this part of `values` does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
