import { monitorEventLoopDelay } from 'node:perf_hooks'
import { CLASSES_TOLD_MAX, type ClassLoad, type LoadVector } from '../gossip/types.ts'
import { type MeasuredLoad, ToldLoad } from '../placement/told-load.ts'
import type { World } from '../world.ts'
import type { CpuWait } from './cpu-wait.ts'
import type { Hosts } from './hosts.ts'
import type { Machine, MachineFigures } from './machine.ts'
import type { Pools } from './pools.ts'

/** Requests that a node is thought to take at once, per core; more than that queues. */
export const REQUESTS_PER_CORE = 32
const CONNECTIONS_MAX = 20_000

export interface LoadMeterComponents {
  readonly pools: Pools
  readonly hosts: Hosts
  readonly machine: Machine
  readonly wait: CpuWait
  readonly world: World
}

/** Measures the load of this node, and keeps the two figures of it: see `ToldLoad`. */
export class LoadMeter {
  readonly #c: LoadMeterComponents
  readonly #speed: () => number
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay>
  #cpuUsage = process.cpuUsage()
  #sampledMs: number
  readonly #load = new ToldLoad()
  #reckoned: LoadVector | undefined
  #stretch = 1

  constructor(components: LoadMeterComponents, init: { speed: () => number }) {
    this.#c = components
    this.#speed = init.speed
    this.#sampledMs = components.world.clock.nowMs()
    this.#loopDelay = monitorEventLoopDelay({ resolution: 10 })
    this.#loopDelay.enable()
  }

  /** The load that this node itself reckons with; undefined before the first sample. */
  get own(): LoadVector | undefined {
    return this.#reckoned
  }

  /**
   * How many times longer work takes here for the wait for a core; 1: nothing waits. What is told of
   * CPU has it, so that what a worker would use elsewhere has it, too.
   */
  get stretch(): number {
    return this.#stretch
  }

  /** A worker has come, which is expected to use that much of a core. */
  arrived(cpu: number): void {
    this.#load.arrived(cpu)
  }

  /** The load to be told. `classes`: of the workers that live here. */
  sample(workers: number, classes: readonly ClassLoad[]): LoadVector {
    const nowMs = this.#c.world.clock.nowMs()
    const elapsedMs = Math.max(1, nowMs - this.#sampledMs)
    this.#sampledMs = nowMs
    const machine = this.#c.machine.sample()
    const { told, own } = this.#load.sample(this.#measure(machine, elapsedMs), elapsedMs)
    const rest = this.#rest(machine, workers, classes)
    this.#reckoned = { ...own, ...rest }
    return { ...told, ...rest }
  }

  stop(): void {
    this.#loopDelay.disable()
  }

  #measure(machine: MachineFigures, elapsedMs: number): MeasuredLoad {
    const { stats: pool } = this.#c.pools
    const { stats: host } = this.#c.hosts
    const usage = process.cpuUsage(this.#cpuUsage)
    this.#cpuUsage = process.cpuUsage()
    const own = (usage.user + usage.system) / 1_000 / elapsedMs + pool.cpu + host.cpu
    this.#stretch = this.#waiting(machine)
    return {
      cpu: (machine.cpu ?? own) * this.#stretch * this.#speed(),
      loop: host.loop,
      requests: pool.requests + host.requests,
      // What passes over loopback only the hosts see.
      ioBytesPerSecond: Math.max(machine.ioBytesPerSecond, host.ioBytesPerSecond),
    }
  }

  #waiting({ cpuPressure }: MachineFigures): number {
    // Of a whole machine the system knows best; nodes that share one tell the same of it.
    if (cpuPressure !== undefined) return 1 + cpuPressure
    const processes = [...this.#c.hosts.infos, ...this.#c.pools.infos]
    return this.#c.wait.sample([process.pid, ...processes.map(({ pid }) => pid)])
  }

  #rest(
    machine: MachineFigures,
    workers: number,
    classes: readonly ClassLoad[],
  ): Omit<LoadVector, keyof MeasuredLoad> {
    const { stats: pool } = this.#c.pools
    const { stats: host } = this.#c.hosts
    const lagMs = Math.max(0, this.#loopDelay.percentile(99) / 1e6 - 10)
    this.#loopDelay.reset()
    const speed = this.#speed()
    return {
      cpuCapacity: machine.cores * speed,
      memoryBytes:
        machine.memoryBytes ?? process.memoryUsage.rss() + pool.memoryBytes + host.memoryBytes,
      memoryBytesMax: machine.memoryBytesMax,
      requestsMax: machine.cores * REQUESTS_PER_CORE,
      connections: pool.connections + host.connections,
      connectionsMax: CONNECTIONS_MAX,
      workers,
      classes: classes
        .map((one) => ({ ...one, cpu: one.cpu * speed }))
        .sort((a, b) => b.workers - a.workers)
        .slice(0, CLASSES_TOLD_MAX),
      lagMs,
    }
  }
}
