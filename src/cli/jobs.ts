import { constants } from 'node:os'
import type { JobInfo } from '../jobs/job.ts'
import { withClient } from './client.ts'
import { ageSince, bytes, number } from './format.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  { title: 'JOB' },
  { title: 'STATE' },
  { title: 'NODE' },
  { title: 'PRIORITY', right: true },
  { title: 'SINCE', right: true },
  { title: 'CPU', right: true },
  { title: 'MEMORY', right: true },
  { title: 'EXIT', right: true },
  { title: 'MODULE', widthMax: 60 },
  { title: 'NOTE' },
]

export interface JobsOptions extends ReadOptions {
  readonly all?: boolean
}

/** `aries jobs` */
export async function jobs(options: JobsOptions): Promise<void> {
  const query = { all: String(options.all === true) }
  const found = await withClient(options, (client) => client.get('GET /api/jobs', {}, query))
  if (options.json) printJson(found)
  else if (found.length > 0) print(table(COLUMNS, found.map(row)))
  else print(options.all ? 'no job is known' : 'no job runs; those that ended: --all')
}

function row(job: JobInfo): string[] {
  const { id, state, node, priority, module, why, runs, usage } = job
  const sinceMs = job.endedMs ?? job.startedMs ?? job.queuedMs
  const notes = [runs > 1 ? `run ${runs}` : '', why ?? '']
  return [
    id,
    state,
    node ?? '-',
    String(priority),
    ageSince(sinceMs),
    usage === undefined ? '-' : number(usage.cpu, 2),
    usage === undefined ? '-' : bytes(usage.memoryBytes),
    exitOf(job),
    module,
    notes.filter(Boolean).join('; '),
  ]
}

function exitOf({ state, exitCode, signal }: JobInfo): string {
  if (signal !== null) return `${signal} (${128 + constants.signals[signal]})`
  if (exitCode !== null) return String(exitCode)
  return state === 'ended' || state === 'lost' ? '?' : '-'
}
