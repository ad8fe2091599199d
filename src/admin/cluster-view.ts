import type { Readable } from 'node:stream'
import { describeRoutes } from '../config/routes.ts'
import type { Config } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import type { LoadVector, Membership } from '../gossip/types.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { JobInfo, JobSpec } from '../jobs/job.ts'
import { REQUESTS_PER_CORE } from '../node/load-meter.ts'
import type { Peers } from '../peers.ts'
import { machineCost, scaleOf } from '../placement/cost.ts'
import type {
  DeployReport,
  DrainReport,
  MoveReport,
  NodeStatusInfo,
  Rpc,
  RpcName,
  WorkerDetail,
  WorkerInfo,
  WorkersQuery,
} from '../rpc.ts'
import { COMPARE, firstOf } from '../worker-order.ts'
import type { ClusterInfo, ClusterMember } from './api.ts'

/** A node that does not answer within this is left out of what is gathered from all. */
const GATHER_TIMEOUT_MS = 2_000
/** Longer than any move may take. */
const MOVE_TIMEOUT_MS = 90_000
/** Decisions about one worker that are told. */
const DECISIONS_MAX = 10
/** Several nodes may be asked in turn. */
const JOB_TIMEOUT_MS = 30_000
const DRAIN_TIMEOUT_MS = 600_000

export interface ClusterViewInit {
  readonly config: () => Config
  /** The asked process itself. */
  readonly status: () => NodeStatusInfo
}

/**
 * The whole cluster, asked from one member: what the admin API of every front and node answers.
 * What one node alone knows is asked of it on its data port.
 */
export class ClusterView {
  readonly #membership: Membership
  readonly #peers: Peers
  readonly #init: ClusterViewInit

  constructor(components: { membership: Membership; peers: Peers }, init: ClusterViewInit) {
    this.#membership = components.membership
    this.#peers = components.peers
    this.#init = init
  }

  get self(): NodeStatusInfo {
    return this.#init.status()
  }

  cluster(): ClusterInfo {
    const config = this.#init.config()
    const members = this.#membership.members()
    const alive = members.filter((m) => m.role === 'node' && m.state === 'alive')
    const scale = scaleOf(alive.flatMap((m) => m.load ?? []))
    return {
      cluster: config.map.cluster,
      mapEpoch: config.map.epoch,
      members: members.map(
        (m): ClusterMember => ({
          id: m.id,
          role: m.role,
          state: m.state,
          joined: m.joined ?? false,
          host: m.host,
          dataPort: m.dataPort,
          adminPort: m.adminPort,
          cordoned: m.meta.cordoned,
          draining: m.meta.draining,
          incarnation: m.meta.incarnation,
          load: m.load ?? null,
          loadAgeMs: m.load ? Math.round(m.loadAgeMs) : null,
          workers: m.load?.workers ?? 0,
          speed: m.load && m.role === 'node' ? speedOf(m.load) : null,
          cost: m.load && m.role === 'node' ? machineCost(m.load, alive.length, scale) : null,
        }),
      ),
      routes: describeRoutes(config),
      notes: this.#init.status().notes,
    }
  }

  async status(): Promise<NodeStatusInfo[]> {
    const self = this.#init.status()
    const others = await this.#gather('status', {}, self.id)
    return [self, ...others.map(([, status]) => status)].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Of all nodes together. */
  async workers(query: WorkersQuery): Promise<WorkerInfo[]> {
    const answers = await this.#gather('workers', query)
    const workers = answers.flatMap(([, answer]) => answer)
    return firstOf(workers, query.limit, COMPARE[query.order])
  }

  /** Throws `ARIES_E_WORKER_UNKNOWN` when it is open nowhere. */
  async worker(id: WorkerId): Promise<WorkerDetail> {
    const memories = await this.#gather('recall', id)
    // Two tell of it while it moves, or while one of them does not know that it is fenced.
    const infos = memories.flatMap(([, memory]) => memory.info ?? [])
    const info = infos.sort((a, b) => b.epoch - a.epoch)[0]
    if (!info) {
      throw new AriesError(
        'ARIES_E_WORKER_UNKNOWN',
        `no worker ${formatWorkerId(id)} is open on any node; it opens at its first request`,
      )
    }
    const [decision, ...earlier] = memories
      .flatMap(([, memory]) =>
        memory.decision ? [memory.decision, ...(memory.earlier ?? [])] : [],
      )
      .sort((a, b) => b.atMs - a.atMs)
      .slice(0, DECISIONS_MAX)
    const moves = memories.flatMap(([, memory]) => memory.lastMove ?? [])
    const lastMove = moves.sort((a, b) => b.toEpoch - a.toEpoch)[0]
    return { ...info, ...(decision && { decision, earlier }), ...(lastMove && { lastMove }) }
  }

  move(id: WorkerId, to: string): Promise<MoveReport> {
    this.#mustBeNode(to)
    return this.#peers.call(this.#anyNode(), 'move', { ...id, to }, { timeoutMs: MOVE_TIMEOUT_MS })
  }

  freeze(id: WorkerId, freeze: boolean): Promise<Record<string, never>> {
    return this.#peers.call(this.#anyNode(), 'freeze', { ...id, freeze })
  }

  /** A checkpoint from a node, or, with `body`, one to it: see `RpcFiles`. */
  file(path: string, body?: Readable): ReturnType<Peers['file']> {
    return this.#peers.file(this.#anyNode(), path, body)
  }

  async jobs(query: Rpc['jobs']['params']): Promise<readonly JobInfo[]> {
    const jobs = await this.#peers.call(this.#anyNode(), 'jobs', query)
    if (!jobs.some(({ state }) => state === 'running')) return jobs
    const usages = new Map<string, NonNullable<JobInfo['usage']>>()
    for (const [node, told] of await this.#gather('jobusage', {})) {
      for (const { id, cpu, memoryBytes } of told) usages.set(`${node}/${id}`, { cpu, memoryBytes })
    }
    return jobs.map((job) => {
      const usage = job.state === 'running' ? usages.get(`${job.node}/${job.id}`) : undefined
      return usage ? { ...job, usage } : job
    })
  }

  job(id: string): Promise<JobInfo> {
    return this.#peers.call(this.#anyNode(), 'job', { id })
  }

  submitJob(spec: JobSpec): Promise<JobInfo> {
    return this.#peers.call(this.#anyNode(), 'jobsubmit', spec, { timeoutMs: JOB_TIMEOUT_MS })
  }

  killJob(id: string, signal: string | undefined): Promise<JobInfo> {
    return this.#peers.call(this.#anyNode(), 'jobkill', { id, ...(signal && { signal }) })
  }

  /** Output of a job, or, with `body`, its input; there is none before it has begun. */
  async jobStream(id: string, path: string, body?: Readable): ReturnType<Peers['file']> {
    const { node } = await this.job(id)
    if (node === null) {
      throw new AriesError('ARIES_E_NO_TARGET', `job ${id} is queued: it has no output yet`)
    }
    return this.#peers.stream(node, path, body)
  }

  drain(node: string): Promise<DrainReport> {
    this.#mustBeNode(node)
    return this.#peers.call(node, 'drain', {}, { timeoutMs: DRAIN_TIMEOUT_MS })
  }

  deploy(node: string, generation: number): Promise<DeployReport> {
    this.#mustBeNode(node)
    return this.#peers.call(node, 'deploy', { generation }, { timeoutMs: DRAIN_TIMEOUT_MS })
  }

  restart(node: string): Promise<Record<string, never>> {
    this.#mustBeNode(node)
    return this.#peers.call(node, 'restart', {})
  }

  undrain(node: string): Promise<Record<string, never>> {
    this.#mustBeNode(node)
    return this.#peers.call(node, 'undrain', {})
  }

  cordon(node: string): Promise<Record<string, never>> {
    this.#mustBeNode(node)
    return this.#peers.call(node, 'cordon', {})
  }

  #nodes(): string[] {
    return this.#membership
      .members()
      .filter((m) => m.role === 'node')
      .map((m) => m.id)
  }

  #mustBeNode(node: string): void {
    if (this.#nodes().includes(node)) return
    throw new AriesError(
      'ARIES_E_NODE_UNKNOWN',
      `there is no node "${node}"; the map has ${this.#nodes().join(', ')}`,
    )
  }

  #anyNode(): string {
    const members = this.#membership.members().filter((m) => m.role === 'node')
    const self = members.find((m) => m.id === this.#membership.selfId)
    const alive = self ?? members.find((m) => m.state === 'alive')
    if (!alive) throw new AriesError('ARIES_E_NODE_UNREACHABLE', 'no node is alive')
    return alive.id
  }

  /** The answers of the nodes that answer. */
  async #gather<N extends RpcName>(
    name: N,
    params: Rpc[N]['params'],
    except?: string,
  ): Promise<[node: string, answer: Rpc[N]['result']][]> {
    const nodes = this.#membership
      .members()
      .filter((m) => m.role === 'node' && m.id !== except && m.boot !== 0)
      .filter((m) => m.state === 'alive' || m.state === 'suspect')
    const answers = await Promise.allSettled(
      nodes.map(
        async (m): Promise<[string, Rpc[N]['result']]> => [
          m.id,
          await this.#peers.call(m.id, name, params, { timeoutMs: GATHER_TIMEOUT_MS }),
        ],
      ),
    )
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  }
}

/** A load tells of its cores twice: as they are, and times their speed. */
function speedOf({ cpuCapacity, requestsMax }: LoadVector): number {
  return Math.round((100 * cpuCapacity * REQUESTS_PER_CORE) / requestsMax) / 100
}
