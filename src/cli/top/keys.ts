/** What a key does in `aries top`: pure. */
import { WORKER_ORDERS, type WorkerOrder } from '../../worker-order.ts'
import { NODE_ORDERS, type NodeOrder, type TopView } from './view.ts'

const FILTER_MAX = 200

const SORT_KEYS: Readonly<Record<string, { node?: NodeOrder; worker?: WorkerOrder }>> = {
  n: { node: 'name', worker: 'name' },
  c: { node: 'cpu', worker: 'cpu' },
  m: { node: 'memory', worker: 'state' },
  l: { node: 'lag', worker: 'load' },
  t: { node: 'requests', worker: 'requests' },
  i: { worker: 'io' },
  u: { worker: 'queue' },
  w: { node: 'workers' },
  s: { node: 'sessions', worker: 'sessions' },
  o: { node: 'cost' },
  a: { node: 'news', worker: 'age' },
}

export const HELP =
  'q quit  tab nodes/workers  ←→ or ncmltuwsoai sort  r reverse  / filter  space pause'

const ESCAPE = '\u001b'
const KEY = new RegExp(`${ESCAPE}\\[[0-9;]*[A-Za-z~]|${ESCAPE}O[A-Z]|[\\s\\S]`, 'gu')

/** Keys as a terminal sends them; a read may hold several. */
export function keysOf(text: string): string[] {
  return text.match(KEY) ?? []
}

export function afterKey(view: TopView, key: string): TopView {
  if (key === '\u0003') return { ...view, ended: true }
  return view.typing ? afterTyped(view, key) : afterCommand(view, key)
}

function afterTyped(view: TopView, key: string): TopView {
  if (key === '\r' || key === '\n') return { ...view, typing: false }
  if (key === '\u001b') return { ...view, typing: false, filter: '' }
  if (key === '\u007f' || key === '\b') {
    return { ...view, filter: Array.from(view.filter).slice(0, -1).join('') }
  }
  if (key.length > 2 || /\p{Cc}/u.test(key) || view.filter.length >= FILTER_MAX) return view
  return { ...view, filter: view.filter + key }
}

function afterCommand(view: TopView, key: string): TopView {
  switch (key) {
    case 'q':
      return { ...view, ended: true }
    case '\t':
      return { ...view, table: view.table === 'nodes' ? 'workers' : 'nodes', reversed: false }
    case 'r':
      return { ...view, reversed: !view.reversed }
    case '/':
      return { ...view, typing: true }
    case '\u001b':
      return { ...view, filter: '' }
    case ' ':
    case 'p':
      return { ...view, paused: !view.paused }
    case '\u001b[C':
    case '\u001bOC':
      return nextOrder(view, 1)
    case '\u001b[D':
    case '\u001bOD':
      return nextOrder(view, -1)
    default:
      return sorted(view, Object.hasOwn(SORT_KEYS, key) ? SORT_KEYS[key]! : {})
  }
}

function sorted(view: TopView, by: { node?: NodeOrder; worker?: WorkerOrder }): TopView {
  if (view.table === 'nodes') {
    return by.node ? { ...view, nodeOrder: by.node, reversed: false } : view
  }
  return by.worker ? { ...view, workerOrder: by.worker, reversed: false } : view
}

function nextOrder(view: TopView, step: 1 | -1): TopView {
  return view.table === 'nodes'
    ? sorted(view, { node: turn(NODE_ORDERS, view.nodeOrder, step) })
    : sorted(view, { worker: turn(WORKER_ORDERS, view.workerOrder, step) })
}

function turn<T>(orders: readonly T[], now: T, step: 1 | -1): T {
  return orders[(orders.indexOf(now) + step + orders.length) % orders.length]!
}
