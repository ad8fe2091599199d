/** What `aries top` shows of what it knows: pure. */
import type { ClusterInfo } from '../../admin/api.ts'
import type { NodeStatusInfo, WorkerInfo } from '../../rpc.ts'
import type { WorkerOrder } from '../../worker-order.ts'

export type TopTable = 'nodes' | 'workers'

/** What was heard at one moment. */
export interface Snapshot {
  readonly cluster: ClusterInfo
  readonly statuses: readonly NodeStatusInfo[]
  /** The first of the order that was asked for. */
  readonly workers: readonly WorkerInfo[]
}

export type NodeOrder =
  | 'name'
  | 'cpu'
  | 'memory'
  | 'lag'
  | 'requests'
  | 'workers'
  | 'sessions'
  | 'cost'
  | 'news'

export const NODE_ORDERS: readonly NodeOrder[] = [
  'name',
  'cpu',
  'memory',
  'lag',
  'requests',
  'workers',
  'sessions',
  'cost',
  'news',
]

/** What the one before the screen has chosen. */
export interface TopView {
  readonly table: TopTable
  readonly nodeOrder: NodeOrder
  readonly workerOrder: WorkerOrder
  readonly reversed: boolean
  /** In the name; empty: all. */
  readonly filter: string
  /** The filter is being typed. */
  readonly typing: boolean
  readonly paused: boolean
  readonly ended: boolean
}

export const FIRST_VIEW: TopView = {
  table: 'nodes',
  nodeOrder: 'name',
  workerOrder: 'load',
  reversed: false,
  filter: '',
  typing: false,
  paused: false,
  ended: false,
}
