import { formatWorkerId } from '../identity.ts'
import type { WorkerInfo } from '../rpc.ts'
import { withClient } from './client.ts'
import { age, bytes, number, percent } from './format.ts'
import type { ReadOptions } from './options.ts'
import { print, printJson } from './output.ts'
import { type Column, table } from './table.ts'

const COLUMNS: readonly Column[] = [
  // A key may have hundreds of letters; `--json` gives it whole.
  { title: 'WORKER', widthMax: 60 },
  { title: 'NODE' },
  { title: 'EPOCH', right: true },
  { title: 'STATE', right: true },
  { title: 'REQ/S', right: true },
  { title: 'CPU', right: true },
  { title: 'AGE', right: true },
  { title: 'SESSIONS', right: true },
  { title: 'CANNOT MOVE' },
]

/** `aries ps` */
export async function ps(options: ReadOptions): Promise<void> {
  const workers = await withClient(options, (client) => client.get('GET /api/workers'))
  const sorted = workers.toSorted(byName)
  if (options.json) printJson(sorted)
  else if (sorted.length === 0) print('no worker is open; the first request to a worker opens it')
  else print(table(COLUMNS, sorted.map(row)))
}

function byName(a: WorkerInfo, b: WorkerInfo): number {
  if (a.class !== b.class) return a.class < b.class ? -1 : 1
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

function row(worker: WorkerInfo): string[] {
  return [
    formatWorkerId(worker),
    worker.node,
    String(worker.epoch),
    bytes(worker.stateBytes),
    number(worker.requestsPerSecond, 1),
    percent(worker.cpuShare),
    age(worker.ageMs),
    String(worker.sessions),
    worker.cannotMove ?? '',
  ]
}
