/** The whole screen of `aries top` as lines: pure. */
import { styleText } from 'node:util'
import { count, number } from '../format.ts'
import { harmless } from '../output.ts'
import { table } from '../table.ts'
import { HELP } from './keys.ts'
import { NODE_COLUMNS, nodeRows, type TopColumn, WORKER_COLUMNS, workerRows } from './rows.ts'
import type { Snapshot, TopView } from './view.ts'

/** Lines that are not rows: summary, filter, titles, help. */
const OTHER_LINES = 4

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

/** How many workers there is room for: more are not asked for. */
export function workersShown({ rows }: ScreenSize): number {
  return Math.max(1, rows - OTHER_LINES)
}

export interface PictureOptions {
  readonly size: ScreenSize
  /** Why the picture is not new. */
  readonly trouble: string | undefined
  readonly colours: boolean
}

/** No more lines than the screen has, none wider than it. */
export function picture(
  snapshot: Snapshot | undefined,
  view: TopView,
  { size, trouble, colours }: PictureOptions,
): string[] {
  const style = (format: 'bold' | 'dim' | 'red', text: string): string =>
    colours ? styleText(format, text, { validateStream: false }) : text
  const cut = (text: string): string => text.slice(0, size.columns)
  const [titles = '', ...rows] = snapshot ? tableOf(snapshot, view) : ['']
  const shown = rows.slice(0, workersShown(size))
  const status = view.typing
    ? `filter: ${view.filter}▏`
    : [view.filter && `filter: ${view.filter}`, view.paused && 'paused'].filter(Boolean).join('  ')
  return [
    style('bold', cut(snapshot ? summary(snapshot) : 'asking …')),
    trouble ? style('red', cut(harmless(trouble).replaceAll('\n', ' '))) : cut(harmless(status)),
    style('bold', cut(titles)),
    ...shown.map(cut),
    style('dim', cut(HELP)),
  ].slice(0, size.rows)
}

/** Both tables as plain text: `aries top --once`. */
export function plainText(snapshot: Snapshot, view: TopView): string {
  return [
    summary(snapshot),
    ...tableOf(snapshot, { ...view, table: 'nodes' }),
    '',
    ...tableOf(snapshot, { ...view, table: 'workers' }),
  ].join('\n')
}

function tableOf(snapshot: Snapshot, view: TopView): string[] {
  const isNodes = view.table === 'nodes'
  const order = isNodes ? view.nodeOrder : view.workerOrder
  const columns = (isNodes ? NODE_COLUMNS : WORKER_COLUMNS).map((column) =>
    marked(column, order, view.reversed),
  )
  const rows = isNodes ? nodeRows(snapshot, view) : workerRows(snapshot, view)
  return table(columns, rows, { plain: true }).split('\n')
}

function marked(column: TopColumn, order: string, reversed: boolean): TopColumn {
  const arrow = reversed ? '▲' : '▼'
  return column.order === order ? { ...column, title: `${column.title}${arrow}` } : column
}

function summary({ cluster, statuses }: Snapshot): string {
  const { members } = cluster
  const nodes = members.filter(({ role }) => role === 'node')
  const alive = nodes.filter(({ state }) => state === 'alive').length
  const workers = members.reduce((sum, member) => sum + member.workers, 0)
  const rate = statuses.reduce((sum, status) => sum + (status.requestsPerSecond ?? 0), 0)
  const cpu = nodes.reduce((sum, { load }) => sum + (load?.cpu ?? 0), 0)
  return [
    `cluster ${cluster.cluster}: ${alive} of ${count(nodes.length, 'node')} alive`,
    count(workers, 'worker'),
    `${number(rate, 1)} req/s`,
    `${number(cpu, 2)} cores used`,
  ].join(', ')
}
