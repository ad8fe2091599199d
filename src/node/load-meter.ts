import { monitorEventLoopDelay } from 'node:perf_hooks'
import { CLASSES_TOLD_MAX, type ClassLoad, type LoadVector } from '../gossip/types.ts'
import type { World } from '../world.ts'
import type { Hosts } from './hosts.ts'
import type { Machine, MachineFigures } from './machine.ts'
import type { Pools } from './pools.ts'

/** Requests that a node is thought to take at once, per core; more than that queues. */
const REQUESTS_PER_CORE = 32
const CONNECTIONS_MAX = 20_000
/** Weight of the newest figure in the load that is told, when it falls; it rises at once. */
const FALL_WEIGHT = 0.25
/** Weight of the newest figure in the load that this node reckons with, when it rises. */
const RISE_WEIGHT = 0.125
/** What has just come counts on top for about this long: until it shows in what is measured. */
const ARRIVED_MS = 2_000

export interface LoadMeterComponents {
  readonly pools: Pools
  readonly hosts: Hosts
  readonly machine: Machine
  readonly world: World
}

type Smoothed = 'cpu' | 'loop' | 'requests' | 'ioBytesPerSecond'
type Measured = { -readonly [K in Smoothed]: number }

/**
 * The load of this node, twice. What it tells the others rises at once and falls slowly, and has
 * what came lately on top; what it reckons with itself rises slowly and falls at once. Between the
 * two lies what a move must at least gain: nobody is flooded, and nobody flees, for one moment.
 * After MOSIX, whose load balancer keeps the same two figures.
 */
export class LoadMeter {
  readonly #c: LoadMeterComponents
  readonly #speed: number
  readonly #loopDelay: ReturnType<typeof monitorEventLoopDelay>
  #cpuUsage = process.cpuUsage()
  #sampledMs: number
  #told: Measured | undefined
  #own: Measured | undefined
  #arrivedCpu = 0
  #reckoned: LoadVector | undefined

  constructor(components: LoadMeterComponents, init: { speed: number }) {
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

  /** A worker has come, which is expected to use that much of a core. */
  arrived(cpu: number): void {
    this.#arrivedCpu += cpu
  }

  /** The load to be told. `classes`: of the workers that live here. */
  sample(workers: number, classes: readonly ClassLoad[]): LoadVector {
    const nowMs = this.#c.world.clock.nowMs()
    const elapsedMs = Math.max(1, nowMs - this.#sampledMs)
    this.#sampledMs = nowMs
    const machine = this.#c.machine.sample()
    const now = this.#measure(machine, elapsedMs)
    this.#told = smooth(this.#told, now, { rise: 1, fall: FALL_WEIGHT })
    this.#own = smooth(this.#own, now, { rise: RISE_WEIGHT, fall: 1 })
    this.#arrivedCpu *= Math.exp(-elapsedMs / ARRIVED_MS)
    const rest = this.#rest(machine, workers, classes)
    this.#reckoned = { ...this.#own, ...rest }
    return { ...this.#told, ...rest, cpu: this.#told.cpu + this.#arrivedCpu }
  }

  stop(): void {
    this.#loopDelay.disable()
  }

  #measure(machine: MachineFigures, elapsedMs: number): Measured {
    const { stats: pool } = this.#c.pools
    const { stats: host } = this.#c.hosts
    const usage = process.cpuUsage(this.#cpuUsage)
    this.#cpuUsage = process.cpuUsage()
    const own = (usage.user + usage.system) / 1_000 / elapsedMs + pool.cpu + host.cpu
    return {
      cpu: (machine.cpu ?? own) * this.#speed,
      loop: host.loop,
      requests: pool.requests + host.requests,
      // What passes over loopback only the hosts see.
      ioBytesPerSecond: Math.max(machine.ioBytesPerSecond, host.ioBytesPerSecond),
    }
  }

  #rest(
    machine: MachineFigures,
    workers: number,
    classes: readonly ClassLoad[],
  ): Omit<LoadVector, keyof Measured> {
    const { stats: pool } = this.#c.pools
    const { stats: host } = this.#c.hosts
    const lagMs = Math.max(0, this.#loopDelay.percentile(99) / 1e6 - 10)
    this.#loopDelay.reset()
    return {
      cpuCapacity: machine.cores * this.#speed,
      memoryBytes:
        machine.memoryBytes ?? process.memoryUsage.rss() + pool.memoryBytes + host.memoryBytes,
      memoryBytesMax: machine.memoryBytesMax,
      requestsMax: machine.cores * REQUESTS_PER_CORE,
      connections: pool.connections + host.connections,
      connectionsMax: CONNECTIONS_MAX,
      workers,
      classes: classes
        .map((one) => ({ ...one, cpu: one.cpu * this.#speed }))
        .sort((a, b) => b.workers - a.workers)
        .slice(0, CLASSES_TOLD_MAX),
      lagMs,
    }
  }
}

function smooth(
  before: Measured | undefined,
  now: Measured,
  weight: { rise: number; fall: number },
): Measured {
  if (!before) return now
  const mixed = { ...now }
  for (const name of Object.keys(now) as (keyof Measured)[]) {
    const change = now[name] - before[name]
    mixed[name] = before[name] + change * (change > 0 ? weight.rise : weight.fall)
  }
  return mixed
}
