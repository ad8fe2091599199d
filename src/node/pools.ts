import type { Config } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import type { PoolSetup, PoolStats } from '../pool/ipc.ts'
import type { ProcessInfo } from '../rpc.ts'
import { sleep, type TimerHandle, type World } from '../world.ts'
import { Backoff } from './backoff.ts'
import { FirstUp } from './first-up.ts'
import { PoolClient, type PoolEvents } from './pool-client.ts'

/** A pool that is to end serves on for so long after gossip told the port of the new one. */
const LINGER_MS = 2_000

/** `changed`: another port than before, everyone must hear. */
export interface PoolsEvents extends Pick<PoolEvents, 'resolve'> {
  readonly changed: () => void
}

export interface PoolsInit {
  /** For a process that is started now. */
  readonly setup: () => PoolSetup
  /** Of the code that the first process loads. */
  readonly generation: number
}

/**
 * The pool process of a node, kept running; while a deploy replaces it, the old one finishes its
 * requests beside the new one.
 */
export class Pools {
  readonly #c: { log: Logger; world: World }
  readonly #init: PoolsInit
  readonly #events: PoolsEvents
  readonly #backoff = new Backoff()
  readonly #all = new Set<PoolClient>()
  #current: PoolClient | undefined
  #starting: PoolClient | undefined
  #generation: number
  #restarts = 0
  #stopping = false
  #retry: TimerHandle | undefined
  readonly #firstUp = new FirstUp()
  /** Of processes that have ended. */
  #past = { completed: 0, failed: 0 }

  constructor(components: { log: Logger; world: World }, init: PoolsInit, events: PoolsEvents) {
    this.#c = components
    this.#init = init
    this.#events = events
    this.#generation = init.generation
  }

  /** That fronts send tasks to; 0 while there is none. */
  get port(): number {
    return this.#current?.port ?? 0
  }

  /** Figures of all processes together. */
  get stats(): PoolStats {
    const sum = {
      cpu: 0,
      memoryBytes: 0,
      requests: 0,
      connections: 0,
      requestsPerSecond: 0,
      ...this.#past,
    }
    for (const { stats } of this.#all) {
      sum.cpu += stats.cpu
      sum.memoryBytes += stats.memoryBytes
      sum.requests += stats.requests
      sum.connections += stats.connections
      sum.requestsPerSecond += stats.requestsPerSecond
      sum.completed += stats.completed
      sum.failed += stats.failed
    }
    return sum
  }

  get all(): readonly PoolClient[] {
    return [...this.#all]
  }

  get infos(): ProcessInfo[] {
    return this.all.map((pool) => ({
      role: 'pool',
      pid: pool.pid,
      port: pool.port,
      generation: pool.generation,
      restarts: pool === this.#current ? this.#restarts : 0,
    }))
  }

  /** Resolves when the first process is up; rejects when it never comes. */
  start(): Promise<void> {
    const first = this.#firstUp.wait(this.#c.world.clock, 'pool process')
    void this.#add()
    return first
  }

  async setTokens(tokens: readonly string[]): Promise<void> {
    await Promise.all([...this.#all].map((pool) => pool.setTokens(tokens)))
  }

  /** Tells the processes of changed routes. */
  declare(tasks: Config['tasks']): void {
    for (const pool of this.#all) pool.declare(tasks)
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    for (const pool of this.#all) pool.setDead(node, dead)
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#retry?.cancel()
    await Promise.all([...this.#all].map((pool) => pool.stop(graceMs)))
  }

  /**
   * Starts a process that loads the code anew, every task of it. Rejects when it does not come up
   * or a task does not load; else `replace` puts it in the place of the current one.
   */
  async begin(generation: number): Promise<PoolClient> {
    const pool = this.#make(generation)
    try {
      await pool.start()
      await pool.load()
      return pool
    } catch (error) {
      this.discard(pool)
      throw error
    }
  }

  discard(pool: PoolClient): void {
    pool.kill()
  }

  /** The old process ends when fronts know the new one and its requests are answered. */
  replace(pool: PoolClient, graceMs: number): void {
    const old = this.#current
    this.#generation = pool.generation
    this.#setCurrent(pool)
    if (!old) return
    void sleep(this.#c.world.clock, LINGER_MS).then(() => {
      if (!this.#stopping) void old.stop(graceMs)
    })
  }

  #make(generation: number): PoolClient {
    const pool = new PoolClient(
      this.#c,
      { setup: this.#init.setup(), generation },
      { ...this.#events, down: (ended, how, ranMs) => this.#down(ended, how, ranMs) },
    )
    this.#all.add(pool)
    return pool
  }

  async #add(): Promise<void> {
    const pool = this.#make(this.#generation)
    this.#starting = pool
    try {
      await pool.start()
      if (this.#starting === pool) this.#setCurrent(pool)
    } catch (error) {
      this.#c.log.error({ err: error }, 'pool process did not start')
    }
  }

  #setCurrent(pool: PoolClient): void {
    this.#current = pool
    this.#starting = undefined
    this.#events.changed()
    this.#firstUp.up()
  }

  #down(pool: PoolClient, how: string, ranMs: number): void {
    const { completed, failed } = pool.stats
    this.#past = {
      completed: this.#past.completed + completed,
      failed: this.#past.failed + failed,
    }
    this.#all.delete(pool)
    const isWanted = pool === this.#current || pool === this.#starting
    if (pool === this.#current) this.#current = undefined
    if (isWanted && !this.#stopping) {
      const delayMs = this.#backoff.delayMs(ranMs)
      this.#restarts++
      this.#c.log.error({ child: 'pool', delayMs }, `pool process ${how}`)
      this.#retry = this.#c.world.clock.after(delayMs, () => void this.#add())
    }
    this.#events.changed()
  }
}
