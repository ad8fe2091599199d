import { setTimeout as sleep } from 'node:timers/promises'
import { AriesError, toAriesError } from '../errors.ts'
import { WORKER_ORDERS, type WorkerOrder } from '../worker-order.ts'
import { type AdminClient, withClient } from './client.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, print, printJson } from './output.ts'
import { afterKey, keysOf } from './top/keys.ts'
import { picture, plainText, workersShown } from './top/picture.ts'
import { Screen } from './top/screen.ts'
import {
  FIRST_VIEW,
  NODE_ORDERS,
  type NodeOrder,
  type Snapshot,
  type TopTable,
  type TopView,
} from './top/view.ts'

const INTERVAL_MS = 1_000
const ONCE_WORKERS = 20
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface TopOptions extends ReadOptions {
  readonly once?: boolean
  readonly view: TopTable
  readonly sort?: string
  readonly filter?: string
}

/** `aries top`; resolves with the exit code. */
export function top(options: TopOptions): Promise<number> {
  const view = viewOf(options)
  return withClient(options, async (client) => {
    if (!options.once && !options.json) return live(client, view)
    const snapshot = await ask(client, view, ONCE_WORKERS)
    if (options.json) printJson(snapshot)
    else print(plainText(snapshot, view))
    return EXIT.ok
  })
}

function viewOf({ view: table, sort, filter = '' }: TopOptions): TopView {
  const orders: readonly string[] = table === 'nodes' ? NODE_ORDERS : WORKER_ORDERS
  if (sort !== undefined && !orders.includes(sort)) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `${table} are sorted by ${orders.join(', ')}`)
  }
  const view = { ...FIRST_VIEW, table, filter }
  if (sort === undefined) return view
  return table === 'nodes'
    ? { ...view, nodeOrder: sort as NodeOrder }
    : { ...view, workerOrder: sort as WorkerOrder }
}

/** What there is to show; of many workers only as many as are shown. */
async function ask(client: AdminClient, view: TopView, workers: number): Promise<Snapshot> {
  const query = {
    limit: String(workers),
    order: view.workerOrder,
    ...(view.filter && { contains: view.filter }),
  }
  const [cluster, statuses, found] = await Promise.all([
    client.get('GET /api/cluster'),
    client.get('GET /api/status'),
    client.get('GET /api/workers', {}, query),
  ])
  return { cluster, statuses, workers: found }
}

/** Until the one before the screen has seen enough. */
async function live(client: AdminClient, first: TopView): Promise<number> {
  const { stdin: input, stdout: output } = process
  if (!input.isTTY || !output.isTTY) {
    throw new AriesError(
      'ARIES_E_BAD_REQUEST',
      'a live table needs a terminal; --once prints it once, --json for programs',
    )
  }
  const screen = new Screen({ input, output })
  const colours = output.hasColors() && !process.env['NO_COLOR']
  let view = first
  let snapshot: Snapshot | undefined
  let trouble: string | undefined
  let awake = new AbortController()
  const ended = Promise.withResolvers<void>()
  const draw = (): void => {
    screen.draw(picture(snapshot, view, { size: screen.size, trouble, colours }))
  }
  const onKeys = (text: string): void => {
    const before = view
    for (const key of keysOf(text)) view = afterKey(view, key)
    draw()
    if (view.ended) ended.resolve()
    // What is shown otherwise is asked for at once.
    if (view !== before) awake.abort()
  }
  const stop = (): void => {
    view = { ...view, ended: true }
    ended.resolve()
    awake.abort()
  }
  for (const signal of SIGNALS) process.on(signal, stop)
  screen.open(onKeys, draw)
  try {
    for (draw(); !view.ended; draw()) {
      awake = new AbortController()
      if (!view.paused) {
        try {
          const asking = ask(client, view, workersShown(screen.size))
          snapshot = (await Promise.race([asking, ended.promise])) ?? snapshot
          trouble = undefined
        } catch (error) {
          trouble = toAriesError(error).message
        }
        draw()
      }
      await sleep(INTERVAL_MS, undefined, { signal: awake.signal }).catch(() => {})
    }
    return EXIT.ok
  } finally {
    screen.close()
    for (const signal of SIGNALS) process.off(signal, stop)
  }
}
