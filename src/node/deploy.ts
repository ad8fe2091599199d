import { toAriesError } from '../errors.ts'
import { formatWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { DEPLOYING, type DeployReport } from '../rpc.ts'
import { sleep, type World } from '../world.ts'
import type { HostClient } from './host-client.ts'
import type { Hosts } from './hosts.ts'
import type { Mover } from './mover.ts'
import type { OpenEntry, OpenWorkers } from './open-workers.ts'
import type { PoolClient } from './pool-client.ts'
import type { Pools } from './pools.ts'

/** A move that fails is tried so often; then the deploy stops. */
const TRIES_MAX = 5
const RETRY_MS = 100
/** A new host that has all workers must live so long: then the old ones are let go. */
const PROBATION_MS = 1_000
/** An old process that finishes what runs gets so long. */
const GRACE_MS = 30_000

export interface DeployComponents {
  readonly hosts: Hosts
  readonly pools: Pools
  readonly open: OpenWorkers
  readonly mover: Mover
  readonly log: Logger
  readonly world: World
}

export interface DeployInit {
  readonly node: string
  readonly concurrency: () => number
  /** Milliseconds that the modules of all classes have to load. */
  readonly loadTimeoutMs: () => number
}

/** What has gone wrong: the deploy stops there. */
class Stop {
  why: string | undefined

  /** The first reason counts. */
  because(why: string): void {
    this.why ??= why
  }
}

/**
 * Brings new code into force on this node: processes that load it anew take the place of the old
 * ones, and the workers move over while they serve. At the first failure it stops: what has not
 * moved, and what opens from then on, runs in the old processes.
 */
export class Deploy {
  readonly #c: DeployComponents
  readonly #init: DeployInit
  #running: Promise<DeployReport> | undefined

  constructor(components: DeployComponents, init: DeployInit) {
    this.#c = components
    this.#init = init
  }

  /** For `aries status`, while it runs. */
  get note(): string | undefined {
    if (this.#running === undefined) return undefined
    const { current } = this.#c.hosts
    const left = current ? this.#old(current.generation).length : 0
    return left === 0 ? DEPLOYING : `${DEPLOYING}, workers left with the old: ${left}`
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** One at a time; a second caller gets the report of the first. `generation`: at least that one. */
  run(generation: number): Promise<DeployReport> {
    this.#running ??= this.#run(generation).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(atLeast: number): Promise<DeployReport> {
    const { hosts, pools, world, log } = this.#c
    const beganMs = world.clock.nowMs()
    const known = [...hosts.all, ...pools.all].map((each) => each.generation)
    const generation = Math.max(atLeast, ...known.map((each) => each + 1))
    const stop = new Stop()
    let moved = 0
    const started = await this.#start(generation, stop)
    if (started) {
      const before = hosts.current
      hosts.promote(started.host)
      moved = await this.#moveAll(started.host, stop)
      if (stop.why === undefined) await this.#probation(started.host, stop)
      if (stop.why === undefined) this.#settle(started)
      else this.#giveUp(started, before)
    }
    const ms = Math.round(world.clock.nowMs() - beganMs)
    const left = stop.why === undefined ? 0 : this.#old(generation).length
    const { node } = this.#init
    const report = { node, generation, moved, left, failure: stop.why ?? null, ms }
    if (stop.why === undefined) log.info(report, 'deployed')
    else log.warn(report, 'deploy stopped')
    return report
  }

  /** Both processes, with everything loaded; undefined when that fails. */
  async #start(
    generation: number,
    stop: Stop,
  ): Promise<{ host: HostClient; pool: PoolClient } | undefined> {
    const { hosts, pools } = this.#c
    let host: HostClient | undefined
    try {
      host = await hosts.begin(generation, this.#init.loadTimeoutMs())
      return { host, pool: await pools.begin(generation) }
    } catch (error) {
      if (host) hosts.discard(host)
      stop.because(toAriesError(error).message)
      return undefined
    }
  }

  /** Moves every worker of an older generation, several at a time; returns how many. */
  async #moveAll(host: HostClient, stop: Stop): Promise<number> {
    let moved = 0
    let queue: OpenEntry[] = []
    /** Names of those that a lane moves just now. */
    const busy = new Set<string>()
    const next = (): OpenEntry | undefined => {
      // What has come meanwhile, from another node or by a request, is in the next look.
      if (queue.length === 0) {
        queue = this.#old(host.generation).filter(({ id }) => !busy.has(formatWorkerId(id)))
      }
      return queue.pop()
    }
    const lane = async (): Promise<void> => {
      for (let entry = next(); entry && stop.why === undefined; entry = next()) {
        const name = formatWorkerId(entry.id)
        busy.add(name)
        if (await this.#moveOne(entry, host, stop)) moved++
        busy.delete(name)
      }
    }
    await Promise.all(Array.from({ length: this.#init.concurrency() }, lane))
    return moved
  }

  async #moveOne({ id, host: from }: OpenEntry, host: HostClient, stop: Stop): Promise<boolean> {
    const { mover, open, world } = this.#c
    let why = ''
    for (let tries = 0; tries < TRIES_MAX && stop.why === undefined; tries++) {
      // By another lane, or to another node: that ends within its own limits.
      while (mover.isMoving(id)) await sleep(world.clock, RETRY_MS)
      if (open.get(id)?.host !== from) return false
      if (host.port === 0) {
        stop.because('the new host process has ended')
        return false
      }
      try {
        await mover.moveInto(await this.#c.hosts.successor(id, host), id)
        return true
      } catch (error) {
        why = toAriesError(error).message
      }
      await sleep(world.clock, RETRY_MS)
    }
    if (open.get(id)?.host === from) stop.because(`${formatWorkerId(id)} did not move: ${why}`)
    return false
  }

  /** Workers in processes of an older generation. */
  #old(generation: number): OpenEntry[] {
    const old = (entry: OpenEntry): boolean => entry.host.generation < generation
    return Array.from(this.#c.open.all()).filter(old)
  }

  async #probation(host: HostClient, stop: Stop): Promise<void> {
    // A `start` that does not end is ended by the time limit of its turn, and is a fault then.
    do await sleep(this.#c.world.clock, PROBATION_MS)
    while (host.port !== 0 && host.stats.starting)
    if (host.port === 0) stop.because('the new host process has ended soon after it took over')
    const { startFault } = host.stats
    if (startFault !== undefined) stop.because(startFault)
  }

  #settle({ host, pool }: { host: HostClient; pool: PoolClient }): void {
    const { hosts, pools } = this.#c
    pools.replace(pool, GRACE_MS)
    hosts.settle(host.generation)
    for (const old of hosts.serving) {
      if (old.generation < host.generation && !old.retiring) void this.#retire(old, host)
    }
  }

  /** What a move brought into the old process at the last moment goes on to the new one. */
  async #retire(old: HostClient, host: HostClient): Promise<void> {
    const empty = async (): Promise<void> => {
      await this.#moveAll(host, new Stop())
    }
    await this.#c.hosts.retire(old, GRACE_MS, empty)
  }

  #giveUp(
    { host, pool }: { host: HostClient; pool: PoolClient },
    before: HostClient | undefined,
  ): void {
    const { hosts, pools, open } = this.#c
    pools.discard(pool)
    hosts.giveUp(host, before)
    // Also those that a deploy before this one left, and that this one has emptied.
    for (const each of hosts.serving) {
      if (each === hosts.current || each.own || each.retiring) continue
      if (open.in(each).length === 0) hosts.discard(each)
    }
  }
}
