/** What every load test and bench prints and writes: one table, one JSON shape. */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly node: string
  readonly os: string
  /** Of the last minute before the run: what else the machine was doing. */
  readonly loadBefore: number
}

const loadBefore = loadavg()[0]!

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    os: `${process.platform}/${process.arch}`,
    loadBefore,
  }
}

/** The machine in the words that stand above a table. */
export function machineLine(): string {
  const { cpu, cores, node } = machine()
  return `${cpu}, ${cores} cores, Node ${node}, load ${loadBefore.toFixed(1)} before the run`
}

/** A column: the row's figure under `key`, right-aligned with `digits` after the point. */
export interface Column<Row> {
  readonly key: keyof Row & string
  readonly title: string
  readonly digits?: number
}

/** Text left, figures right, a line under the titles. */
export function formatTable<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): string {
  const cell = (row: Row, { key, digits }: Column<Row>): string => {
    const value: unknown = row[key as keyof Row]
    if (value === undefined || value === null || Number.isNaN(value)) return '-'
    if (typeof value === 'number') return value.toFixed(digits ?? 0)
    return typeof value === 'string' ? value : JSON.stringify(value)
  }
  const widths = columns.map((c) =>
    Math.max(c.title.length, ...rows.map((row) => cell(row, c).length)),
  )
  const line = (cells: readonly string[], left: readonly boolean[]): string =>
    cells
      .map((text, i) => (left[i] ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  const isText = columns.map((c) => rows.some((row) => typeof row[c.key as keyof Row] === 'string'))
  return [
    line(
      columns.map((c) => c.title),
      isText,
    ),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map((row) =>
      line(
        columns.map((c) => cell(row, c)),
        isText,
      ),
    ),
  ].join('\n')
}

/** `--json FILE`: the machine and the same rows as the table. */
export function writeJson(file: string, rows: readonly object[]): void {
  writeFileSync(file, `${JSON.stringify({ machine: machine(), rows }, null, 2)}\n`)
}

/** A line of progress on stderr: it does not mix with the table on stdout. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}
