/** The figures of gossip, each beside the one that is asked: `npm run sim -- --area gossip --table`. */
import { accusationRows } from './gossip-table-accusations.ts'
import { ageRows } from './gossip-table-ages.ts'
import { crashRows } from './gossip-table-crash.ts'
import { faultRows } from './gossip-table-faults.ts'
import { startRows } from './gossip-table-start.ts'

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

const ROWS = {
  start: startRows,
  faults: faultRows,
  ages: ageRows,
  accusations: accusationRows,
  crash: crashRows,
} satisfies Record<string, (init: TableInit) => Generator<TableRow>>

export type RowKind = keyof typeof ROWS
export const ROW_KINDS = Object.keys(ROWS) as RowKind[]

/** Each row as soon as it is measured; only those of these kinds. */
export function* gossipTable(init: TableInit, kinds = ROW_KINDS): Generator<TableRow> {
  for (const kind of kinds) yield* ROWS[kind](init)
}

/** The value that this part of `values` does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}
