import { isIsolated } from '../config/classes.ts'
import type { Config } from '../config/schema.ts'
import type { HostSetup } from '../host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { ProcessInfo } from '../rpc.ts'
import type { HostAddress } from '../wire.ts'
import { sleep, type TimerHandle, type World } from '../world.ts'
import { Backoff } from './backoff.ts'
import { FirstUp } from './first-up.ts'
import { HostClient, type HostEvents } from './host-client.ts'
import { type HostTotals, totalOf } from './host-totals.ts'
import { memoryBytesMax } from './machine.ts'
import { OwnHosts } from './own-hosts.ts'
import { type ClassTotal, type KnownWorker, totalsOf } from './worker-picture.ts'

/**
 * A host that is to end serves on for so long after gossip told that its port is not used any more:
 * no request of a front crosses the closing.
 */
const LINGER_MS = 2_000
const RETIRE_GRACE_MS = 30_000
/**
 * Where another process has stood in for one that crashed, the next spare is started so much later:
 * to start one takes a core for a second, which the workers that open again need now.
 */
const SPARE_DELAY_MS = 1_000
/** Memory that a process for a single worker takes, without a state of note. */
const OWN_BYTES = 64 * 1024 * 1024
/** So many may be started on the smallest machine. */
const OWN_MIN = 4

export interface HostsInit {
  /** For a process that is started now. */
  readonly setup: (host: number) => HostSetup
  readonly memoryMb: number
  readonly classes: () => Config['classes']
  /** Whether a spare is kept. */
  readonly spare: boolean
}

export interface HostsEvents extends HostEvents {
  /** Other ports than before: everyone must hear. */
  readonly changed: () => void
}

/**
 * The host processes of a node. One is *current*: it takes new workers and arrivals. A *spare* is
 * up and set up, without a worker: it is current at once when the current one dies. Others hold
 * workers of another generation of the code, on their way out or left there by a deploy that failed.
 */
export class Hosts {
  readonly #c: { log: Logger; world: World }
  readonly #init: HostsInit
  readonly #events: HostsEvents
  readonly #backoff = new Backoff()
  readonly #all = new Set<HostClient>()
  readonly #own: OwnHosts
  #standbyHosts: readonly HostAddress[] = []
  #current: HostClient | undefined
  #spare: HostClient | undefined
  /** Of the processes that are started by themselves, without a deploy. */
  #generation: number
  #starting = false
  #retry: TimerHandle | undefined
  #lastId = 0
  #restarts = 0
  #isStarted = false
  #stopping = false
  readonly #firstUp = new FirstUp()

  /** `generation`: of the code that the first process loads. */
  constructor(
    components: { log: Logger; world: World },
    init: HostsInit & { generation: number },
    events: HostsEvents,
  ) {
    this.#c = components
    this.#init = init
    this.#events = events
    this.#generation = init.generation
    this.#own = new OwnHosts(components, {
      make: (id, generation) => this.#make(generation, id),
      start: (host) => this.#startOne(host),
      retire: (host) => void this.retire(host, RETIRE_GRACE_MS, async () => undefined),
      max: Math.max(OWN_MIN, Math.floor(memoryBytesMax() / OWN_BYTES)),
    })
  }

  /** Takes new workers; undefined while there is none. */
  get current(): HostClient | undefined {
    return this.#current
  }

  /** Of the code that the node runs; a deploy that succeeded raises it. */
  get generation(): number {
    return this.#generation
  }

  /** Every process, in order of its start. */
  get all(): readonly HostClient[] {
    return [...this.#all]
  }

  /** Those that may hold workers, the current one first. */
  get serving(): readonly HostClient[] {
    const others = this.all.filter(
      (host) => host.port !== 0 && host !== this.#current && host !== this.#spare,
    )
    return this.#current ? [this.#current, ...others] : others
  }

  /** Ports that fronts and other nodes may use, the one of arrivals first. */
  get ports(): readonly number[] {
    const shared = this.serving.filter(({ retiring, own }) => !retiring && !own)
    return shared.map(({ port }) => port)
  }

  /** Figures of all processes together. */
  get stats(): HostTotals {
    return totalOf(this.all.map(({ stats }) => stats))
  }

  /** What is known of that worker. */
  worker(name: string): KnownWorker | undefined {
    return this.serving.map(({ workers }) => workers.get(name)).find((known) => known)
  }

  /** What is known of each worker. */
  *workers(): IterableIterator<KnownWorker> {
    for (const host of this.serving) yield* host.workers.all()
  }

  /** All workers that are busy, and of each process `idleMax` others; see `WorkerPicture`. */
  sample(idleMax: number): KnownWorker[] {
    return this.serving.flatMap((host) => host.workers.sample(idleMax))
  }

  /** What the workers of each class use together. */
  classes(): Map<string, ClassTotal> {
    return totalsOf(this.serving.map(({ workers }) => workers.classes))
  }

  get infos(): ProcessInfo[] {
    return this.all.map((host) => ({
      role: host === this.#spare ? 'spare' : 'host',
      pid: host.pid,
      port: host.port,
      generation: host.generation,
      restarts: host === this.#current ? this.#restarts : 0,
      ...(host.own && { worker: formatWorkerId(host.own) }),
    }))
  }

  /** The process that a worker is to open in, if it is not in one already. */
  async for(id: WorkerId): Promise<HostClient | undefined> {
    return this.#isIsolated(id) ? this.#own.get(id, this.#generation) : this.#current
  }

  /** The process of newer code that the worker is to move into. */
  async successor(id: WorkerId, host: HostClient): Promise<HostClient> {
    return this.#isIsolated(id) ? this.#own.renew(id, host.generation) : host
  }

  /** The worker lives in the process now, or does no more. */
  inhabited(host: HostClient, isOpen: boolean): void {
    if (!host.own) return
    if (isOpen) this.#own.used(host)
    else this.#own.left(host)
  }

  /** A worker with a process to itself does not sleep there, which would save little: it is closed. */
  closeSleepers(): void {
    for (const host of this.#all) {
      const figures = host.own && host.workers.get(formatWorkerId(host.own))
      if (!host.own || !figures?.asleep || figures.sessions > 0) continue
      void host.close(host.own).catch(() => undefined)
    }
  }

  /** The process of that number, while it may be asked. */
  get(host: number): HostClient | undefined {
    return this.serving.find(({ id }) => id === host)
  }

  at(port: number): HostClient | undefined {
    return this.serving.find((host) => host.port === port)
  }

  /** Resolves when one is current. */
  start(): Promise<void> {
    this.#isStarted = true
    const first = this.#firstUp.wait(this.#c.world.clock, 'host process')
    this.#fill()
    return first
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#retry?.cancel()
    await Promise.all(this.all.map((host) => host.stop(graceMs)))
  }

  /** A new incarnation: whatever was set up under an older one is void. */
  renew(): void {
    this.#current = undefined
    this.#spare = undefined
    this.#own.clear()
    for (const host of this.all) {
      host.retiring = true
      host.kill()
    }
    if (this.#isStarted) this.#fill()
  }

  /** The hosts of other nodes that standbys may be on, for these processes and for those to come. */
  setStandbyHosts(hosts: readonly HostAddress[]): void {
    this.#standbyHosts = hosts
    for (const host of this.serving) host.setStandbyHosts(hosts)
  }

  declare(classes: Config['classes']): void {
    for (const host of this.all) host.declare(classes)
  }

  async setTokens(tokens: readonly string[]): Promise<void> {
    await Promise.all(this.all.map((host) => host.setTokens(tokens)))
  }

  setDead(node: string, dead: boolean): void {
    for (const host of this.all) host.setDead(node, dead)
  }

  vouch(atMs: number): void {
    for (const host of this.all) host.vouch(atMs)
  }

  fence(): void {
    for (const host of this.all) host.fence()
  }

  /**
   * Starts a process that loads the code anew, every class of it. Rejects, with all as it was, when
   * it does not come up or a class does not load; else `promote` makes it the current one.
   */
  async begin(generation: number, loadTimeoutMs: number): Promise<HostClient> {
    const host = this.#make(generation)
    try {
      await this.#startOne(host)
      const late = sleep(this.#c.world.clock, loadTimeoutMs).then(() => {
        throw new Error(`its modules were not loaded after ${loadTimeoutMs} ms`)
      })
      await Promise.race([host.load(), late])
    } catch (error) {
      this.discard(host)
      throw error
    }
    return host
  }

  /** New workers open there from now on, unless the process has ended meanwhile. */
  promote(host: HostClient): void {
    if (isUsable(host)) this.#setCurrent(host)
  }

  /** Ends a process that has no worker, at once. */
  discard(host: HostClient): void {
    host.retiring = true
    host.kill()
  }

  /** The deploy failed: new workers open in `before` again, or in what stands in for it. */
  giveUp(host: HostClient, before: HostClient | undefined): void {
    if (this.#current !== host) return
    this.#current = undefined
    if (before && isUsable(before)) this.#setCurrent(before)
    else this.#fill()
    if (this.#current === undefined) this.promote(host)
  }

  /** The deploy is done: what is started from now on is of that generation. */
  settle(generation: number): void {
    this.#generation = generation
    if (this.#spare) this.discard(this.#spare)
    this.#spare = undefined
    this.#fill()
  }

  /** Ends a process that has no worker any more; `isEmpty` is asked again before it ends. */
  async retire(host: HostClient, graceMs: number, empty: () => Promise<void>): Promise<void> {
    host.retiring = true
    this.#events.changed()
    await sleep(this.#c.world.clock, LINGER_MS)
    await empty()
    if (!this.#stopping) await host.stop(graceMs)
  }

  #isIsolated(id: WorkerId): boolean {
    return isIsolated(this.#init.classes().get(id.class))
  }

  #make(generation: number, own?: WorkerId): HostClient {
    const config = own && this.#init.classes().get(own.class)
    const memoryMb = config?.memoryMb ?? this.#init.memoryMb
    const host = new HostClient(
      this.#c,
      { setup: this.#init.setup(++this.#lastId), generation, memoryMb, ...(own && { own }) },
      { ...this.#events, down: (ended, how, ranMs) => this.#down(ended, how, ranMs) },
    )
    this.#all.add(host)
    return host
  }

  async #startOne(host: HostClient): Promise<void> {
    await host.start()
    host.setStandbyHosts(this.#standbyHosts)
  }

  /** Sees to it that one is current and, if wanted, there is a spare. */
  #fill(): void {
    if (this.#stopping) return
    if (!this.#current) this.#standIn()
    const isFull = this.#current && (this.#spare || !this.#init.spare)
    if (isFull || this.#starting || this.#retry) return
    void this.#add()
  }

  /** Another one for the current one that died: of the same code, with workers or without. */
  #standIn(): void {
    const other = this.serving
      .filter((host) => isUsable(host) && !host.own && host.generation <= this.#generation)
      .sort((a, b) => b.generation - a.generation)[0]
    const host = other ?? this.#spare
    if (!host || !isUsable(host)) return
    if (host === this.#spare) this.#spare = undefined
    this.#setCurrent(host)
  }

  async #add(): Promise<void> {
    this.#starting = true
    const host = this.#make(this.#generation)
    try {
      await this.#startOne(host)
      // A module that is broken shows when it is asked for.
      void host.load().catch(() => undefined)
      this.#place(host)
    } catch (error) {
      this.#c.log.error({ err: error }, 'host process did not start')
    } finally {
      this.#starting = false
    }
    this.#fill()
  }

  /** One that has just come up: it may have been ended meanwhile, or its code may be old by now. */
  #place(host: HostClient): void {
    if (!isUsable(host)) return
    if (!this.#current) this.#setCurrent(host)
    else if (this.#init.spare && !this.#spare && host.generation === this.#generation) {
      this.#spare = host
    } else this.discard(host)
  }

  #setCurrent(host: HostClient): void {
    this.#current = host
    this.#events.changed()
    this.#firstUp.up()
  }

  #down(host: HostClient, how: string, ranMs: number): void {
    this.#all.delete(host)
    if (this.#current === host) this.#current = undefined
    if (this.#spare === host) this.#spare = undefined
    if (!this.#current && !this.#stopping) this.#standIn()
    if (host.own) this.#own.down(host, ranMs)
    else if (!this.#stopping && !host.retiring) this.#crashed(host, how, ranMs)
    // Also after one that was to end: it may have been the current one all the same.
    this.#fill()
    this.#events.down(host, how, ranMs)
    this.#events.changed()
  }

  #crashed(host: HostClient, how: string, ranMs: number): void {
    const backoffMs = this.#backoff.delayMs(ranMs)
    const delayMs = this.#current ? Math.max(backoffMs, SPARE_DELAY_MS) : backoffMs
    this.#restarts++
    this.#c.log.error({ child: 'host', host: host.id, delayMs }, `host process ${how}`)
    this.#retry?.cancel()
    this.#retry = this.#c.world.clock.after(delayMs, () => {
      this.#retry = undefined
      this.#fill()
    })
  }
}

/** Up, and not on its way out. */
function isUsable(host: HostClient): boolean {
  return host.port !== 0 && !host.retiring
}
