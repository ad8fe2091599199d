import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { LoadVector } from '../gossip/types.ts'
import type { World } from '../world.ts'
import type { Hosts } from './hosts.ts'
import { coreCount, memoryBytesMax } from './machine.ts'
import type { Pools } from './pools.ts'

/** Requests that a node is thought to take at once, per core; more than that queues. */
const REQUESTS_PER_CORE = 32
const CONNECTIONS_MAX = 20_000
/** Weight of the newest figure when load falls: news of rising load counts at once. */
const FALL_WEIGHT = 0.25

/**
 * What this node tells the others of its load: its own process, its pool and its host together.
 * Up at once, down slowly (MOSIX exports its load so): nobody is flooded for one quiet moment.
 */
export class LoadMeter {
  readonly #components: { pools: Pools; hosts: Hosts; world: World }
  readonly #speed: number
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay>
  #cpuUsage = process.cpuUsage()
  #sampledMs: number
  #last: LoadVector | undefined

  constructor(components: { pools: Pools; hosts: Hosts; world: World }, init: { speed: number }) {
    this.#components = components
    this.#speed = init.speed
    this.#sampledMs = components.world.clock.nowMs()
    this.#loopDelay = monitorEventLoopDelay({ resolution: 10 })
    this.#loopDelay.enable()
  }

  sample(workers: number): LoadVector {
    const pool = this.#components.pools.stats
    const host = this.#components.hosts.stats
    const before = this.#last
    const cores = coreCount()
    this.#last = {
      cpu: smooth(before?.cpu, (this.#ownCpu() + pool.cpu + host.cpu) * this.#speed),
      cpuCapacity: cores * this.#speed,
      memoryBytes: process.memoryUsage.rss() + pool.memoryBytes + host.memoryBytes,
      memoryBytesMax: memoryBytesMax(),
      requests: smooth(before?.requests, pool.requests + host.requests),
      requestsMax: cores * REQUESTS_PER_CORE,
      connections: pool.connections + host.connections,
      connectionsMax: CONNECTIONS_MAX,
      ioBytesPerSecond: smooth(before?.ioBytesPerSecond, host.ioBytesPerSecond),
      workers,
      lagMs: Math.max(0, this.#loopDelay.percentile(99) / 1e6 - 10),
    }
    this.#loopDelay.reset()
    return this.#last
  }

  stop(): void {
    this.#loopDelay.disable()
  }

  #ownCpu(): number {
    const nowMs = this.#components.world.clock.nowMs()
    const usage = process.cpuUsage(this.#cpuUsage)
    const elapsedMs = Math.max(1, nowMs - this.#sampledMs)
    this.#cpuUsage = process.cpuUsage()
    this.#sampledMs = nowMs
    return (usage.user + usage.system) / 1_000 / elapsedMs
  }
}

function smooth(before: number | undefined, now: number): number {
  if (before === undefined || now >= before) return now
  return before + (now - before) * FALL_WEIGHT
}
