import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'
import type { ListeningSocket } from './handover.ts'
import { TrafficSum } from './meters.ts'
import { addStats, emptyStats, type FrontStats } from './metrics.ts'
import { ShardHandle } from './shard-handle.ts'
import type { FromShard, ShardConfig, ShardSetup, ToShard } from './shard-ipc.ts'

export interface ShardsComponents {
  readonly log: Logger
  readonly world: World
  readonly onMessage: (message: FromShard) => void
  /** A crashed shard is started again. */
  readonly onRestart: (shard: number) => void
}

export interface ShardsInit {
  readonly count: number
  /** Listening sockets of the process before this one. */
  readonly inherited: readonly ListeningSocket[]
  /** What a shard that starts now is to know; asked again at each restart. */
  readonly setup: () => Omit<ShardSetup, 'shard' | 'boot' | 'inherited'>
}

/** Pause before a crashed shard is started again; doubled while it does not live long. */
const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 5_000
const LIVED_LONG_MS = 10_000

/** All shards of a front: starts them, and again when one crashes. */
export class Shards {
  readonly #components: ShardsComponents
  readonly #init: ShardsInit
  readonly #handles = new Map<number, ShardHandle>()
  readonly #restartTimers = new Map<number, TimerHandle>()
  /** Counters of threads that have ended. */
  readonly #ended = emptyStats()
  readonly #endedTraffic = new TrafficSum()
  #restarts = 0
  #crashesInARow = 0
  #stopping = false

  constructor(components: ShardsComponents, init: ShardsInit) {
    this.#components = components
    this.#init = init
  }

  /** All serve when it resolves; when one cannot, none is left and its error is thrown. */
  async start(): Promise<void> {
    const { count, inherited } = this.#init
    const shares = sharesOf(inherited, count)
    for (let shard = 0; shard < count; shard++) this.#spawn(shard, shares[shard]!)
    const started = await Promise.allSettled([...this.#handles.values()].map(({ ready }) => ready))
    const failed = started.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    await this.stop(0)
    throw failed.reason
  }

  broadcast(message: ToShard): void {
    for (const handle of this.#handles.values()) handle.send(message)
  }

  /** When one shard refuses `config`, all go back to `before` and its error is thrown. */
  async configure(config: ShardConfig, before: ShardConfig): Promise<void> {
    const handles = [...this.#handles.values()]
    const results = await Promise.allSettled(handles.map((handle) => handle.configure(config)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    await Promise.allSettled(handles.map((handle) => handle.configure(before)))
    throw failed.reason
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    for (const timer of this.#restartTimers.values()) timer.cancel()
    await Promise.all([...this.#handles.values()].map((handle) => handle.stop(graceMs)))
  }

  /** The listening sockets of all. */
  async sockets(): Promise<ListeningSocket[]> {
    const all = await Promise.all([...this.#handles.values()].map((handle) => handle.sockets()))
    return all.flat()
  }

  /** Another process takes new clients: see `Shard.retire`. */
  async retire(init: { graceMs: number; spreadMs: number }): Promise<void> {
    this.#stopping = true
    for (const timer of this.#restartTimers.values()) timer.cancel()
    await Promise.all([...this.#handles.values()].map((handle) => handle.retire(init)))
  }

  stats(): FrontStats {
    const sum = emptyStats()
    addStats(sum, this.#ended)
    for (const handle of this.#handles.values()) addStats(sum, handle.stats)
    return { ...sum, shards: this.#handles.size, restarts: this.#restarts }
  }

  /** Of the routes and targets that the configuration has now. */
  traffic(): TrafficSum {
    const sum = new TrafficSum()
    for (const { traffic } of this.#handles.values()) if (traffic !== undefined) sum.add(traffic)
    sum.addEnded(this.#endedTraffic)
    return sum
  }

  #spawn(shard: number, inherited: readonly ListeningSocket[]): void {
    const setup: ShardSetup = {
      ...this.#init.setup(),
      shard,
      boot: this.#components.world.clock.wallMs(),
      inherited,
    }
    const { log, onMessage } = this.#components
    const handle: ShardHandle = new ShardHandle(
      { log, onMessage, onExit: () => this.#exited(shard, handle) },
      setup,
    )
    this.#handles.set(shard, handle)
  }

  #exited(shard: number, handle: ShardHandle): void {
    addStats(this.#ended, handle.stats, true)
    if (handle.traffic !== undefined) this.#endedTraffic.add(handle.traffic, true)
    this.#handles.delete(shard)
    if (this.#stopping) return
    const { log, world, onRestart } = this.#components
    const livedMs = performance.now() - handle.startedAtMs
    this.#crashesInARow = livedMs > LIVED_LONG_MS ? 0 : this.#crashesInARow + 1
    const delayMs = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** this.#crashesInARow)
    log.error({ shard, livedMs: Math.round(livedMs), delayMs }, 'shard ended, starting it again')
    const timer = world.clock.after(delayMs, () => {
      this.#restarts += 1
      // What it had inherited was closed with its thread.
      this.#spawn(shard, [])
      onRestart(shard)
    })
    this.#restartTimers.set(shard, timer)
  }
}

/** The sockets of each listener in turn to the shards: every socket has one, a shard may have several. */
function sharesOf(sockets: readonly ListeningSocket[], count: number): ListeningSocket[][] {
  const shares: ListeningSocket[][] = Array.from({ length: count }, () => [])
  const next = new Map<string, number>()
  for (const socket of sockets) {
    const turn = next.get(socket.listener) ?? 0
    next.set(socket.listener, turn + 1)
    shares[turn % count]!.push(socket)
  }
  return shares
}
