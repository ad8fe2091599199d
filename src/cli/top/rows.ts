/** The rows of `aries top`, sorted and filtered: pure. */
import type { ClusterMember } from '../../admin/api.ts'
import { formatWorkerId } from '../../identity.ts'
import type { NodeStatusInfo, WorkerInfo } from '../../rpc.ts'
import { age, bytes, milliseconds, number, percent } from '../format.ts'
import { byRoleAndId, stateOf } from '../status.ts'
import type { Column } from '../table.ts'
import type { NodeOrder, Snapshot, TopView } from './view.ts'

/** With the order that sorts by it. */
export type TopColumn = Column & { readonly order?: string }

export const NODE_COLUMNS: readonly TopColumn[] = [
  { title: 'MEMBER', order: 'name' },
  { title: 'ROLE' },
  { title: 'STATE' },
  { title: 'CPU', right: true, order: 'cpu' },
  { title: 'MEMORY', right: true, order: 'memory' },
  { title: 'LAG', right: true, order: 'lag' },
  { title: 'REQ/S', right: true, order: 'requests' },
  { title: 'WORKERS', right: true, order: 'workers' },
  { title: 'SESSIONS', right: true, order: 'sessions' },
  { title: 'COST', right: true, order: 'cost' },
  { title: 'NEWS', right: true, order: 'news' },
  { title: 'NOTE' },
]

export const WORKER_COLUMNS: readonly TopColumn[] = [
  { title: 'WORKER', widthMax: 40, order: 'name' },
  { title: 'NODE' },
  { title: 'CPU', right: true, order: 'cpu' },
  { title: 'STATE', right: true, order: 'state' },
  { title: 'MEMORY', right: true },
  { title: 'TURNS/S', right: true, order: 'requests' },
  { title: 'I/O', right: true, order: 'io' },
  { title: 'QUEUE', right: true, order: 'queue' },
  { title: 'SESSIONS', right: true, order: 'sessions' },
  { title: 'AGE', right: true, order: 'age' },
  { title: 'NOTE' },
]

/** A member with what it told of itself, if it answered. */
interface Known {
  readonly member: ClusterMember
  readonly status: NodeStatusInfo | undefined
}

const FIGURES: Readonly<Record<Exclude<NodeOrder, 'name'>, (known: Known) => number>> = {
  cpu: ({ member: { load } }) => (load ? load.cpu / load.cpuCapacity : -1),
  memory: ({ member: { load } }) => (load ? load.memoryBytes / load.memoryBytesMax : -1),
  lag: ({ member }) => member.load?.lagMs ?? -1,
  requests: ({ status }) => status?.requestsPerSecond ?? -1,
  workers: ({ member }) => member.workers,
  sessions: ({ member }) => member.load?.connections ?? -1,
  cost: ({ member }) => member.cost ?? -1,
  news: ({ member }) => member.loadAgeMs ?? -1,
}

export function nodeRows({ cluster, statuses }: Snapshot, view: TopView): string[][] {
  const part = view.filter.toLowerCase()
  const known = cluster.members
    .filter(({ id }) => id.toLowerCase().includes(part))
    .map((member): Known => ({ member, status: statuses.find(({ id }) => id === member.id) }))
    .sort((a, b) => byRoleAndId(a.member, b.member))
  if (view.nodeOrder !== 'name') {
    const figure = FIGURES[view.nodeOrder]
    known.sort((a, b) => figure(b) - figure(a))
  }
  return (view.reversed ? known.reverse() : known).map(nodeRow)
}

/** They come sorted and filtered; reversed are only those that came. */
export function workerRows({ workers }: Snapshot, view: TopView): string[][] {
  return (view.reversed ? workers.toReversed() : workers).map(workerRow)
}

function nodeRow({ member, status }: Known): string[] {
  const { load } = member
  return [
    member.id,
    member.role,
    stateOf(member),
    load ? `${number(load.cpu, 2)}/${number(load.cpuCapacity, 1)}` : '-',
    load ? `${bytes(load.memoryBytes)}/${bytes(load.memoryBytesMax)}` : '-',
    load ? milliseconds(load.lagMs) : '-',
    status?.requestsPerSecond === undefined ? '-' : number(status.requestsPerSecond, 1),
    member.role === 'front' ? '-' : String(member.workers),
    load ? String(load.connections) : '-',
    member.cost === null ? '-' : number(member.cost, 3),
    member.loadAgeMs === null ? '-' : milliseconds(member.loadAgeMs),
    status ? status.notes.join('; ') : 'does not answer',
  ]
}

function workerRow(worker: WorkerInfo): string[] {
  const notes = [worker.asleep ? 'asleep' : '', worker.frozen ? 'frozen' : '', worker.cannotMove]
  return [
    formatWorkerId(worker),
    worker.node,
    percent(worker.cpuShare),
    bytes(worker.stateBytes),
    bytes(worker.memoryBytes),
    number(worker.requestsPerSecond, 1),
    `${bytes(worker.ioBytesPerSecond)}/s`,
    String(worker.queued),
    String(worker.sessions),
    age(worker.ageMs),
    notes.filter(Boolean).join('; '),
  ]
}
