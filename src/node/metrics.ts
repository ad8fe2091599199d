import type { MetricTable } from '../admin/metrics.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { PoolStats } from '../pool/ipc.ts'
import type { NodeStatusInfo } from '../rpc.ts'
import type { Children } from './children.ts'
import type { FailoverTimes } from './failover-times.ts'
import type { HostTotals } from './host-totals.ts'
import type { Mover } from './mover.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { Takeover } from './takeover.ts'

export interface NodeFigures {
  readonly ready: boolean
  readonly workers: number
  readonly moves: { readonly done: number; readonly failed: number }
  readonly takeovers: number
  readonly failovers: FailoverTimes
  readonly processes: NodeStatusInfo['processes']
  readonly pool: PoolStats
  readonly host: HostTotals
  readonly jobs: { readonly running: number; readonly ended: number }
}

interface FigureSources {
  readonly open: OpenWorkers
  readonly mover: Mover
  readonly takeover: Takeover
  readonly failovers: FailoverTimes
  readonly jobs: Jobs
  readonly children: Children
}

export function nodeFigures(
  { ready, processes }: NodeStatusInfo,
  { open, mover, takeover, failovers, jobs, children }: FigureSources,
): NodeFigures {
  return {
    ready,
    processes,
    workers: open.count,
    moves: mover.counts,
    takeovers: takeover.count,
    failovers,
    pool: children.pools.stats,
    host: children.hosts.stats,
    jobs: jobs.counts,
  }
}

/** What a node tells Prometheus, besides the figures of its process. */
export const NODE_METRICS: MetricTable<NodeFigures> = [
  [
    { name: 'aries_node_ready', help: '1 while the node can do its work.', kind: 'gauge' },
    (f) => (f.ready ? 1 : 0),
  ],
  [
    {
      name: 'aries_node_workers',
      help: 'Workers open on this node, awake or asleep.',
      kind: 'gauge',
      labels: ['state'],
    },
    (f) => [
      [{ state: 'awake' }, f.workers - f.host.asleep],
      [{ state: 'asleep' }, f.host.asleep],
    ],
  ],
  [
    {
      name: 'aries_node_wakes_total',
      help: 'Workers woken by the host processes that run now.',
      kind: 'counter',
    },
    (f) => f.host.wakes,
  ],
  [
    {
      name: 'aries_node_moves_total',
      help: 'Moves of which this node was the source, by result.',
      kind: 'counter',
      labels: ['result'],
    },
    (f) => [
      [{ result: 'done' }, f.moves.done],
      [{ result: 'failed' }, f.moves.failed],
    ],
  ],
  [
    {
      name: 'aries_node_takeovers_total',
      help: 'Workers of dead nodes that this node gave a new owner in the background.',
      kind: 'counter',
    },
    (f) => f.takeovers,
  ],
  [
    {
      name: 'aries_node_failover_seconds_bucket',
      help: 'Phases of failovers that took at most `le` seconds: `detect` and `evict` of a node that this one evicted; `claim` and `open` of each worker that this node took over, also from a host process of its own.',
      kind: 'counter',
      labels: ['phase', 'le'],
    },
    (f) => f.failovers.buckets,
  ],
  [
    {
      name: 'aries_node_failover_seconds_sum',
      help: 'All that the phases took together, in seconds.',
      kind: 'counter',
      labels: ['phase'],
    },
    (f) => f.failovers.sums,
  ],
  [
    {
      name: 'aries_node_failover_seconds_count',
      help: 'Phases that were counted.',
      kind: 'counter',
      labels: ['phase'],
    },
    (f) => f.failovers.counts,
  ],
  [
    { name: 'aries_node_jobs', help: 'Jobs that run on this node.', kind: 'gauge' },
    (f) => f.jobs.running,
  ],
  [
    {
      name: 'aries_node_jobs_ended_total',
      help: 'Jobs that ended on this node, however they did.',
      kind: 'counter',
    },
    (f) => f.jobs.ended,
  ],
  [
    {
      name: 'aries_node_process_restarts_total',
      help: 'Restarts of the pool and host processes.',
      kind: 'counter',
      labels: ['process'],
    },
    (f) =>
      (['pool', 'host'] as const).map((process) => [{ process }, restartsOf(f.processes, process)]),
  ],
  [
    {
      name: 'aries_node_requests',
      help: 'Tasks (pool) and turns (host) that run or wait.',
      kind: 'gauge',
      labels: ['process'],
    },
    (f) => [
      [{ process: 'pool' }, f.pool.requests],
      [{ process: 'host' }, f.host.requests],
    ],
  ],
  [
    {
      name: 'aries_node_cpu_cores',
      help: 'Cores in use by the pool and host processes.',
      kind: 'gauge',
      labels: ['process'],
    },
    (f) => [
      [{ process: 'pool' }, f.pool.cpu],
      [{ process: 'host' }, f.host.cpu],
    ],
  ],
  [
    {
      name: 'aries_node_memory_bytes',
      help: 'Memory in use by the pool and host processes.',
      kind: 'gauge',
      labels: ['process'],
    },
    (f) => [
      [{ process: 'pool' }, f.pool.memoryBytes],
      [{ process: 'host' }, f.host.memoryBytes],
    ],
  ],
  [
    {
      name: 'aries_node_tasks_total',
      help: 'Tasks that ended, by result.',
      kind: 'counter',
      labels: ['result'],
    },
    (f) => [
      [{ result: 'completed' }, f.pool.completed],
      [{ result: 'failed' }, f.pool.failed],
    ],
  ],
]

function restartsOf(processes: NodeStatusInfo['processes'], role: string): number {
  return processes.reduce((sum, each) => sum + (each.role === role ? each.restarts : 0), 0)
}
