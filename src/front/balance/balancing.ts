import type { Priority } from '../../config/schema/traffic.ts'
import type { ConfigFile } from '../../config/schema.ts'
import type { Logger } from '../../log.ts'
import { RequestChooser } from '../../placement/request-chooser.ts'
import { RetryBudget } from '../../placement/retry-budget.ts'
import type { Random } from '../../world.ts'
import { type Board, SLOTS_MAX } from '../board.ts'
import type { Meters } from '../meters.ts'
import type { ShardStats } from '../metrics.ts'
import type { Nodes } from '../nodes.ts'
import type { InRow } from '../outcomes.ts'
import { UPSTREAM_SLOTS, type Upstream, Upstreams } from '../upstreams.ts'
import { type Line, Lines } from './lines.ts'
import type { TaskBalance } from './task.ts'
import { UpstreamGroup, type UpstreamGroupInit } from './upstream-group.ts'
import type { UpstreamBalance } from './upstreams.ts'

export interface BalancingComponents {
  readonly log: Logger
  readonly random: Random
  readonly board: Board
  readonly nodes: Nodes
  readonly stats: ShardStats
  readonly meters: Meters
  /** A connection to the pool of that node failed. */
  readonly onPoolFailed: (node: string) => void
  /** A connection to that upstream failed. */
  readonly onUpstreamFailed: (url: string, why?: string) => void
  /** Requests to that upstream failed in a row. */
  readonly onUpstreamInRow?: (url: string, rule: InRow, count: number) => void
}

/** All that a shard balances by. */
export class Balancing {
  readonly upstreams: Upstreams
  readonly lines: Lines
  readonly tasks: TaskBalance
  readonly forUpstreams: UpstreamBalance
  readonly #random: Random
  #limits: ConfigFile['balance']
  readonly #retries: RetryBudget
  readonly #choosers: readonly RequestChooser[]
  /** Where tasks wait while every pool is full. */
  readonly #taskLines: Readonly<Record<Priority, Line>>

  constructor(components: BalancingComponents, limits: ConfigFile['balance']) {
    const { log, random, board, nodes, stats, meters } = components
    this.#random = random
    this.#limits = limits
    const perNode = new RequestChooser(
      { random, prices: board.prices },
      { capacity: SLOTS_MAX },
      limits,
    )
    const perUpstream = new RequestChooser({ random }, { capacity: UPSTREAM_SLOTS }, limits)
    this.#choosers = [perNode, perUpstream]
    this.lines = new Lines(limits)
    this.#taskLines = {
      high: this.lines.open('high'),
      normal: this.lines.open('normal'),
      low: this.lines.open('low'),
    }
    this.#retries = new RetryBudget(retryLimits(limits), performance.now())
    this.upstreams = new Upstreams({
      log,
      chooser: perUpstream,
      meters,
      onInRow: components.onUpstreamInRow ?? (() => {}),
    })
    const shared = { lines: this.lines, retries: this.#retries, stats, meters }
    this.tasks = {
      ...shared,
      chooser: perNode,
      board,
      nodes,
      onFailed: components.onPoolFailed,
    }
    this.forUpstreams = {
      ...shared,
      chooser: perUpstream,
      upstreams: this.upstreams,
      onFailed: (upstream, why) => this.failed(upstream, components.onUpstreamFailed, why),
    }
  }

  taskLine(priority: Priority): Line {
    return this.#taskLines[priority]
  }

  /** For a route, until the routes change; `Upstreams` knows its upstreams already. */
  openGroup(
    route: Pick<UpstreamGroupInit, 'items' | 'forwarder'>,
    queue?: {
      readonly max?: number | undefined
      readonly timeoutMs?: number | undefined
      readonly priority?: Priority
    },
  ): UpstreamGroup {
    const { upstreams, lines } = this
    const { queueMax, queueTimeoutMs } = this.#limits
    return new UpstreamGroup(
      {
        chooser: this.forUpstreams.chooser,
        random: this.#random,
        upstreamOf: (url) => upstreams.get(url),
        line: lines.open(queue?.priority, {
          queueMax: queue?.max ?? queueMax,
          queueTimeoutMs: queue?.timeoutMs ?? queueTimeoutMs,
        }),
      },
      { ...route, panicBelow: this.#limits.panicBelow },
    )
  }

  /** Nothing could be sent to `upstream`. */
  failed({ address }: Upstream, tell: (url: string, why?: string) => void, why?: string): void {
    this.upstreams.setHealth(address.url, false)
    tell(address.url, why)
  }

  /** The node joined, or went and may come back. */
  renewNode(slot: number): void {
    this.tasks.chooser.renew(slot)
  }

  setLimits(limits: ConfigFile['balance']): void {
    this.#limits = limits
    for (const chooser of this.#choosers) chooser.setLimits(limits)
    this.lines.setLimits(limits)
    for (const line of Object.values(this.#taskLines)) line.setLimits(limits)
    this.#retries.setLimits(retryLimits(limits))
  }

  close(): void {
    this.lines.close()
    this.upstreams.close()
  }
}

function retryLimits(limits: ConfigFile['balance']): { ratio: number; perSecond: number } {
  return { ratio: limits.retryRatio, perSecond: limits.retriesPerSecond }
}
