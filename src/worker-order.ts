/** Orders of workers, and the first of them: lists of workers are shown and sent in parts. */
import type { WorkerInfo } from './rpc.ts'

export type WorkerOrder =
  | 'load'
  | 'name'
  | 'cpu'
  | 'state'
  | 'requests'
  | 'io'
  | 'queue'
  | 'sessions'
  | 'age'

type Figures = Omit<WorkerInfo, 'node'>
type Compare = (a: Figures, b: Figures) => number

/**
 * `load`: what uses most first. `name`: by class, then by key, as UTF-16. The others: by that figure,
 * the largest first.
 */
export const COMPARE: Readonly<Record<WorkerOrder, Compare>> = {
  load: (a, b) =>
    b.cpuShare - a.cpuShare ||
    b.requestsPerSecond - a.requestsPerSecond ||
    b.sessions - a.sessions ||
    b.stateBytes - a.stateBytes ||
    byName(a, b),
  name: byName,
  cpu: by((worker) => worker.cpuShare),
  state: by((worker) => worker.stateBytes),
  requests: by((worker) => worker.requestsPerSecond),
  io: by((worker) => worker.ioBytesPerSecond),
  queue: by((worker) => worker.queued),
  sessions: by((worker) => worker.sessions),
  age: by((worker) => worker.ageMs),
}

export const WORKER_ORDERS = Object.keys(COMPARE) as readonly WorkerOrder[]

function by(figure: (worker: Figures) => number): Compare {
  return (a, b) => figure(b) - figure(a) || byName(a, b)
}

function byName(a: Pick<Figures, 'class' | 'key'>, b: Pick<Figures, 'class' | 'key'>): number {
  if (a.class !== b.class) return a.class < b.class ? -1 : 1
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

/** Whether the worker comes after `id` by name. */
export function isAfter(worker: Figures, id: Pick<Figures, 'class' | 'key'>): boolean {
  return byName(worker, id) > 0
}

/** The first `count` of the items, in order; the others are never sorted among themselves. */
export function firstOf<T>(
  items: Iterable<T>,
  count: number,
  compare: (a: T, b: T) => number,
): T[] {
  let kept: T[] = []
  for (const item of items) {
    kept.push(item)
    if (kept.length >= 2 * count) kept = kept.sort(compare).slice(0, count)
  }
  return kept.sort(compare).slice(0, count)
}
