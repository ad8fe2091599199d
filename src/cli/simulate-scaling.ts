import { writeReport } from '../sim/report-file.ts'
import { SCALING_ASKED, type ScalingRow, scalingRows } from '../sim/scaling/scaling.ts'
import { milliseconds } from './format.ts'
import { print, remark } from './output.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'SCALING' },
  { title: 'NODES', right: true },
  { title: '/S PER NODE', right: true },
  { title: 'TO ONE', right: true },
  { title: 'P99', right: true },
  { title: 'TO ONE', right: true },
  { title: 'ASKED', right: true },
  { title: 'AGE P50', right: true },
  { title: 'AGE P99', right: true },
]

/** `aries simulate --scenario scaling` */
export function simulateScaling(options: {
  readonly quick?: boolean
  readonly from: number
  readonly json?: string
}): void {
  const rows: ScalingRow[] = []
  for (const row of scalingRows({ quick: options.quick ?? false, seed: options.from })) {
    rows.push(row)
    remark(`scaling: ${row.kind}, ${row.nodes} nodes: ${row.throughput.toFixed(3)}`)
  }
  print('Load per node is the same at every size; each figure relative to one node, 1 is linear.')
  print(
    'Requests: 4 cores, 90 % offered, a front for 32 nodes. Workers: 50 a node, 50 % of its loop.',
  )
  print(`\n${table(COLUMNS, rows.map(cells))}`)
  if (options.json !== undefined) {
    writeReport(
      options.json,
      rows.map((row) => ({ ...row, asked: SCALING_ASKED })),
    )
  }
}

function cells(row: ScalingRow): string[] {
  return [
    row.kind,
    String(row.nodes),
    row.perNode.toFixed(1),
    row.throughput.toFixed(3),
    milliseconds(row.p99Ms),
    row.latency.toFixed(3),
    `≥ ${SCALING_ASKED}`,
    ageCell(row.ageP50Ms),
    ageCell(row.ageP99Ms),
  ]
}

function ageCell(ms: number): string {
  return Number.isNaN(ms) ? '-' : milliseconds(ms)
}
