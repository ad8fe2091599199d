import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { WorkerInfo } from '../rpc.ts'
import type { WorkerOrder } from '../worker-order.ts'
import { withClient } from './client.ts'
import { age, bytes, count, number, percent } from './format.ts'
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
  { title: 'NOTE' },
]

export interface PsOptions extends ReadOptions {
  readonly limit: number
  readonly order: WorkerOrder
  /** `class/key` */
  readonly after?: WorkerId
}

/** `aries ps` */
export async function ps(options: PsOptions): Promise<void> {
  const { limit, order, after } = options
  const query = after === undefined ? { order } : { order: 'name', after: formatWorkerId(after) }
  const [workers, { members }] = await withClient(options, (client) =>
    Promise.all([
      client.get('GET /api/workers', {}, { limit: String(limit), ...query }),
      client.get('GET /api/cluster'),
    ]),
  )
  if (options.json) {
    printJson(workers)
    return
  }
  const differ = new Set(workers.map(({ generation }) => generation)).size > 1
  if (workers.length > 0) {
    print(
      table(
        COLUMNS,
        workers.map((worker) => row(worker, differ)),
      ),
    )
  }
  // What the members tell of themselves may be a moment older.
  const more = members.reduce((sum, member) => sum + member.workers, 0) - workers.length
  if (workers.length === limit && more > 0) {
    print(`… ${count(more, 'more worker')} (--limit, --after)`)
  } else if (workers.length === 0) {
    print('no worker is open; the first request to a worker opens it')
  }
}

function row(worker: WorkerInfo, withGeneration: boolean): string[] {
  const notes = [
    withGeneration ? `generation ${worker.generation}` : '',
    worker.asleep ? 'asleep' : '',
    worker.frozen ? 'frozen' : '',
    worker.cannotMove ?? '',
  ]
  return [
    formatWorkerId(worker),
    worker.node,
    String(worker.epoch),
    bytes(worker.stateBytes),
    number(worker.requestsPerSecond, 1),
    percent(worker.cpuShare),
    age(worker.ageMs),
    String(worker.sessions),
    notes.filter(Boolean).join('; '),
  ]
}
