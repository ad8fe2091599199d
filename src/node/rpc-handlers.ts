import type { Config } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { formatWorkerId, isClassName, isWorkerKey, type WorkerId } from '../identity.ts'
import { jobHandlers } from '../jobs/job-handlers.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { Peers } from '../peers.ts'
import {
  CONTAINS_MAX,
  type MoveReport,
  type Rpc,
  WORKERS_LIMIT_MAX,
  type WorkerInfo,
  type WorkersQuery,
} from '../rpc.ts'
import { count, list, optional, record, text } from '../shapes.ts'
import type { Store } from '../store/store.ts'
import { COMPARE, firstOf, isAfter } from '../worker-order.ts'
import type { Hosts } from './hosts.ts'
import type { Mover } from './mover.ts'
import type { Node } from './node.ts'
import type { OpenEntry, OpenWorkers } from './open-workers.ts'
import type { Ownership } from './ownership.ts'
import type { Placer } from './placer.ts'
import type { Recovery } from './recovery.ts'
import type { RpcHandlers } from './rpc-server.ts'

/** Longer than any move may take. */
const MOVE_TIMEOUT_MS = 80_000

export interface RpcComponents {
  readonly node: Node
  readonly ownership: Ownership
  readonly placer: Placer
  readonly mover: Mover
  readonly open: OpenWorkers
  readonly hosts: Hosts
  readonly peers: Peers
  readonly recovery: Recovery
  readonly jobs: Jobs
  readonly store: Store
  readonly incarnation: () => number
  readonly welcome: (params: Rpc['join']['params']) => void
  readonly restart: () => void
  readonly classes: () => Config['classes']
}

const isActivate = record({
  decision: optional(record({ candidates: list(record({ id: text })) })),
  handOver: optional(count),
})

/** A worker that the host has not reported on yet: it was opened in the last second. */
const JUST_OPENED = {
  seq: 0,
  stateBytes: 0,
  memoryBytes: 0,
  sections: 0,
  requestsPerSecond: 0,
  cpuShare: 0,
  ioBytesPerSecond: 0,
  ageMs: 0,
  sessions: 0,
  queued: 0,
  asleep: false,
}

/** What a node answers on its data port; `src/rpc.ts` says what each call means. */
export function rpcHandlers(c: RpcComponents): RpcHandlers {
  return {
    ...jobHandlers(c.jobs),
    ping: async () => ({ incarnation: c.incarnation() }),
    join: async (params) => {
      c.welcome(params)
      return {}
    },
    resolve: async (params) => c.ownership.resolve(workerId(params), params.suspect),
    activate: async (params) => {
      if (!isActivate(params)) {
        throw new AriesError('ARIES_E_BAD_REQUEST', 'that is no decision, or no epoch')
      }
      return c.ownership.activate(workerId(params), params.decision, params.handOver)
    },
    workers: async (params) => openWorkers(c, params),
    recall: async (params) => recall(c, workerId(params)),
    move: async (params) => move(c, workerId(params), String(params.to)),
    freeze: async (params) => freeze(c, workerId(params), params.freeze === true),
    forget: async (params) => {
      await c.recovery.forget(workerId(params), Number(params.epoch))
      return {}
    },
    berth: async (params) => {
      const host = await c.hosts.for(workerId(params))
      if (!host) throw new AriesError('ARIES_E_NO_TARGET', `${c.node.id} has no host process now`)
      return { port: host.port }
    },
    drain: async () => c.node.drain(),
    deploy: async ({ generation }) => {
      if (!Number.isSafeInteger(generation)) {
        throw new AriesError('ARIES_E_BAD_REQUEST', 'a generation is a whole number')
      }
      return c.node.deploy(generation)
    },
    restart: async () => {
      c.restart()
      return {}
    },
    undrain: async () => {
      c.node.setFlags({ draining: false, cordoned: false })
      return {}
    },
    cordon: async () => {
      c.node.setFlags({ cordoned: true })
      return {}
    },
    status: async () => c.node.status(),
  }
}

function openWorkers(c: RpcComponents, query: WorkersQuery): WorkerInfo[] {
  const { order, limit, after, contains } = query
  if (!Object.hasOwn(COMPARE, order) || !(limit > 0 && limit <= WORKERS_LIMIT_MAX)) {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'an order and a limit are needed')
  }
  if (contains !== undefined && !(String(contains).length <= CONTAINS_MAX)) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `contains has up to ${CONTAINS_MAX} letters`)
  }
  const part = contains === undefined ? '' : String(contains).toLowerCase()
  return firstOf(wanted(c, after && workerId(after), part), limit, COMPARE[order])
}

function* wanted(
  c: RpcComponents,
  after: WorkerId | undefined,
  part: string,
): Iterable<WorkerInfo> {
  for (const entry of c.open.all()) {
    if (part !== '' && !formatWorkerId(entry.id).toLowerCase().includes(part)) continue
    const worker = info(c, entry)
    if (!after || isAfter(worker, after)) yield worker
  }
}

function info(c: RpcComponents, { id, epoch, host }: OpenEntry): WorkerInfo {
  const figures = host.workers.get(formatWorkerId(id)) ?? JUST_OPENED
  const { generation } = host
  return { ...figures, class: id.class, key: id.key, epoch, node: c.node.id, generation }
}

function recall(c: RpcComponents, id: WorkerId): Rpc['recall']['result'] {
  const entry = c.open.get(id)
  return { ...c.placer.recall(id), ...(entry && { info: info(c, entry) }) }
}

/** The node that owns it, which has opened it. */
async function ownerOf(c: RpcComponents, id: WorkerId): Promise<string> {
  if (c.open.has(id)) return c.node.id
  if (!c.classes().has(id.class)) {
    const known = [...c.classes().keys()].join(', ')
    throw new AriesError(
      'ARIES_E_CLASS_UNKNOWN',
      `no route declares the worker class "${id.class}"; there are ${known}`,
    )
  }
  if (!(await c.store.owner(id))) {
    throw new AriesError(
      'ARIES_E_WORKER_UNKNOWN',
      `there is no worker ${formatWorkerId(id)}; it is made by its first request`,
    )
  }
  return (await c.ownership.resolve(id)).node
}

/** Any node may be asked: the owner does it. */
async function freeze(c: RpcComponents, id: WorkerId, on: boolean): Promise<Record<string, never>> {
  const owner = await ownerOf(c, id)
  if (owner !== c.node.id) return c.peers.call(owner, 'freeze', { ...id, freeze: on })
  const entry = c.open.get(id)
  if (!entry)
    throw new AriesError('ARIES_E_NOT_OWNER', `${formatWorkerId(id)} has just left ${owner}`)
  await entry.host.freeze(id, on)
  return {}
}

/** Any node may be asked: the owner does it. */
async function move(c: RpcComponents, id: WorkerId, to: string): Promise<MoveReport> {
  const owner = await ownerOf(c, id)
  if (owner !== c.node.id) {
    return c.peers.call(owner, 'move', { ...id, to }, { timeoutMs: MOVE_TIMEOUT_MS })
  }
  await c.placer.prepare(id)
  return c.mover.move(id, to, c.placer.decided(id, to, 'operator'))
}

/** What a peer sent as a worker's name; it may be anything. */
function workerId(params: WorkerId): WorkerId {
  const { class: className, key } = params as { class: unknown; key: unknown }
  if (typeof className === 'string' && isClassName(className)) {
    if (typeof key === 'string' && isWorkerKey(key)) return { class: className, key }
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', 'a worker has a class and a key')
}
