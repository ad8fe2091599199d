import { AriesError } from '../errors.ts'
import { formatWorkerId, parseWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { StandbyState } from '../move/standby.ts'
import type { Store } from '../store/store.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Changes } from '../worker/state.ts'
import type { WorkerClass } from '../worker/worker.ts'
import type { Clock } from '../world.ts'
import { ActiveWorkers } from './active-workers.ts'
import type { ClassLoader } from './class-loader.ts'
import type { Committer } from './committer.ts'
import type { LastTurn } from './ipc.ts'
import { fallAsleep, StartMail } from './lifecycle-mail.ts'
import { HostWork } from './meter.ts'
import { checkClassVersion } from './migrate.ts'
import { OpenWorker, type OpenWorkerComponents } from './open-worker.ts'
import { SleepWatch } from './sleep-watch.ts'
import { type Sleeper, Sleepers, sleeperOf, stateOf } from './sleepers.ts'
import { Starts } from './starts.ts'
import { Tombstones } from './tombstones.ts'

/** Between two tries to wake a worker whose alarm is due. */
const RING_RETRY_MS = 5_000

/** A state at hand: as loaded from the store, or as a move brought it. */
export interface StateAtHand {
  readonly epoch: number
  readonly seq: number
  readonly sections: Iterable<readonly [string, Uint8Array]>
  readonly version: number
  /** See `OpenWorkerInit`. */
  readonly migrated?: Changes | undefined
}

export interface WorkerTableComponents {
  readonly store: Store
  readonly committer: Committer
  readonly classes: ClassLoader
  readonly clock: Clock
  readonly log: Logger
  readonly call: OpenWorkerComponents['call']
  /** The worker is no longer here. */
  readonly onDropped: (worker: OpenWorker, why: 'fenced' | 'store') => void
  /** A worker that slept was found to belong to another host. */
  readonly onLost: (id: WorkerId) => void
  readonly onAdded: (worker: OpenWorker) => void
  readonly onRemoved: (worker: OpenWorker) => void
  /** The state after the last turn of a dead owner, when a standby of it is here. */
  readonly atHand: (name: string, from: LastTurn) => StandbyState | undefined
}

/** The workers that are open in this host, awake or asleep, and where the others went. */
export class WorkerTable {
  readonly active = new ActiveWorkers()
  readonly starts = new Starts()
  readonly work = new HostWork()
  readonly #c: WorkerTableComponents
  readonly #init: { readonly node: string; readonly freezeState: boolean }
  readonly #open = new Map<string, OpenWorker>()
  readonly #opening = new Map<string, { epoch: number; done: Promise<void> }>()
  readonly #tombstones: Tombstones
  readonly #sleepers: Sleepers
  readonly #watch: SleepWatch
  #wakes = 0
  #fenced = false

  constructor(components: WorkerTableComponents, init: { node: string; freezeState: boolean }) {
    this.#c = components
    this.#init = init
    this.#tombstones = new Tombstones(components.clock)
    this.#sleepers = new Sleepers(components, { ring: (name) => void this.#ring(name) })
    this.#watch = new SleepWatch({
      clock: components.clock,
      awake: (name) => this.#open.get(name),
      fallAsleep: (worker) => this.#fallAsleep(worker),
    })
  }

  /** How many are awake, how many asleep, and how often one woke. */
  get counts(): { readonly awake: number; readonly asleep: number; readonly wakes: number } {
    return { awake: this.#open.size, asleep: this.#sleepers.size, wakes: this.#wakes }
  }

  /**
   * A worker that mail can be given to: wakes it if it sleeps. `rouse` first: it may have to be
   * loaded.
   */
  get(name: string): OpenWorker | undefined {
    const awake = this.#open.get(name)
    if (awake) return awake
    const woken = this.#raise(name)
    if (!woken) return undefined
    this.#wakes++
    this.begin(woken)
    return woken
  }

  /** A promise when `get` cannot wake the worker before it is kept; undefined when it can. */
  rouse(name: string): Promise<void> | undefined {
    const sleeper = this.#sleepers.get(name)
    if (!sleeper || this.#isAtHand(sleeper)) return undefined
    return this.#rouse(sleeper)
  }

  /** The worker to be moved: its instance need not wake for that. */
  async toMove(name: string): Promise<OpenWorker | undefined> {
    await this.rouse(name)
    return this.#open.get(name) ?? this.#raise(name)
  }

  /** Whether it is here, awake or asleep. */
  has(name: string): boolean {
    return this.#open.has(name) || this.#sleepers.get(name) !== undefined
  }

  awake(name: string): OpenWorker | undefined {
    return this.#open.get(name)
  }

  asleep(name: string): Sleeper | undefined {
    return this.#sleepers.get(name)
  }

  /** Those that are awake. */
  values(): IterableIterator<OpenWorker> {
    return this.#open.values()
  }

  /** Where the worker went from here, as far as it is remembered. */
  wentTo(name: string): OwnerAddress | undefined {
    return this.#tombstones.get(name)
  }

  /**
   * Loads and opens a worker that the node owns under `epoch`; nothing to do when it is open.
   * Throws `ARIES_E_FENCED` when the store knows another epoch, `ARIES_E_CLASS_OLDER` when its
   * state is newer than the class.
   */
  async open(id: WorkerId, epoch: number, from?: LastTurn): Promise<void> {
    const name = formatWorkerId(id)
    const already = this.#open.get(name) ?? this.#sleepers.get(name)
    if (already && already.epoch >= epoch) return
    return this.#opened(id, epoch, from)
  }

  #opened(id: WorkerId, epoch: number, from?: LastTurn): Promise<void> {
    const name = formatWorkerId(id)
    const opening = this.#opening.get(name)
    if (opening?.epoch === epoch) return opening.done
    const done = this.#load(id, epoch, from).finally(() => this.#opening.delete(name))
    this.#opening.set(name, { epoch, done })
    return done
  }

  /** Puts a worker in the table whose state is at hand; `begin` it in the same macrotask. */
  add(id: WorkerId, workerClass: WorkerClass, state: StateAtHand, asleep = false): OpenWorker {
    if (this.#fenced) throw new AriesError('ARIES_E_FENCED', 'the node is fenced')
    const { committer, clock, log, call, onDropped } = this.#c
    const config = this.#c.classes.configs.get(id.class)
    if (!config) throw new AriesError('ARIES_E_CLASS_UNKNOWN', `no route declares "${id.class}"`)
    const worker = new OpenWorker(
      {
        workerClass,
        committer,
        clock,
        log,
        work: this.work,
        onMail: (name) => this.active.note(name),
        call,
        onDropped: (dropped, why) => {
          this.remove(dropped)
          onDropped(dropped, why)
        },
      },
      { ...state, ...this.#init, id, config, asleep },
    )
    this.#open.get(worker.name)?.drop('fenced')
    this.#sleepers.delete(worker.name)
    this.#open.set(worker.name, worker)
    this.active.note(worker.name)
    this.#c.onAdded(worker)
    this.#watch.watch(worker)
    this.#tombstones.delete(worker.name)
    return worker
  }

  /** The options of the classes changed. A worker whose class is no longer declared keeps its own. */
  reconfigure(): void {
    for (const worker of this.#open.values()) {
      const config = this.#c.classes.configs.get(worker.id.class)
      if (config) worker.configure(config)
      this.#watch.watch(worker)
    }
  }

  /** Puts `start` first in the mailbox. */
  begin(worker: OpenWorker): void {
    const { class: name } = worker.id
    this.starts.begin(name)
    worker.offer(new StartMail(this.#c.clock.nowMs(), (error) => this.starts.note(name, error)))
  }

  /** Forgets a worker; with `owner`, remembers where it went. */
  remove(worker: OpenWorker, owner?: OwnerAddress): void {
    if (this.#open.get(worker.name) === worker) this.#open.delete(worker.name)
    if (owner) this.#tombstones.set(worker.name, owner)
    this.#c.onRemoved(worker)
  }

  /** The worker belongs to another under `epoch`: drops it if it is open under an older one. */
  async forget(id: WorkerId, epoch: number): Promise<void> {
    const name = formatWorkerId(id)
    await this.settled(name)
    const sleeper = this.#sleepers.get(name)
    if (sleeper && sleeper.epoch < epoch && this.letGo(name)) this.#c.onLost(id)
    const worker = this.#open.get(name)
    if (worker && worker.epoch < epoch) worker.drop('fenced')
  }

  /** Resolves when the worker is not being opened. */
  async settled(name: string): Promise<void> {
    await this.#opening.get(name)?.done.catch(() => undefined)
  }

  /** Forgets a worker that sleeps; false when it does not. */
  letGo(name: string): boolean {
    return this.#sleepers.delete(name)
  }

  /** The node's incarnation is void: drops every worker, opens none any more. */
  fence(): void {
    this.#fenced = true
    this.#sleepers.clear()
    for (const worker of this.#open.values()) worker.drop('fenced')
  }

  /** Nobody falls asleep any more, no alarm wakes anybody. */
  stop(): void {
    this.#watch.stop()
    this.#sleepers.stop()
  }

  #fallAsleep(worker: OpenWorker): void {
    // A turn of `stop` may change the state, and to wake may take the store.
    if (this.#c.committer.trouble !== undefined) return
    fallAsleep(worker, this.#c.clock.nowMs(), () => {
      worker.retire()
      this.remove(worker)
      this.#sleepers.add(sleeperOf(worker))
      this.active.note(worker.name)
    })
  }

  #isAtHand({ name, packed }: Sleeper): boolean {
    return packed !== undefined && this.#c.classes.atHand(parseWorkerId(name).class) !== undefined
  }

  /** Takes a sleeping worker into the table again, without an instance as yet. */
  #raise(name: string): OpenWorker | undefined {
    const sleeper = this.#sleepers.get(name)
    const state = sleeper && stateOf(sleeper)
    if (!state) return undefined
    const id = parseWorkerId(name)
    const workerClass = this.#c.classes.atHand(id.class)
    if (!workerClass) return undefined
    return this.add(id, workerClass, state, true)
  }

  /** Opens a sleeping worker from the store; forgets it when another host has it. */
  async #rouse({ name, epoch }: Sleeper): Promise<void> {
    const id = parseWorkerId(name)
    try {
      await this.#opened(id, epoch)
      this.#wakes++
    } catch (error) {
      if (!(error instanceof AriesError) || error.code !== 'ARIES_E_FENCED') throw error
      if (this.#sleepers.delete(name)) this.#c.onLost(id)
    }
  }

  /** A worker that wakes sees for itself that its alarm is due. */
  async #ring(name: string): Promise<void> {
    try {
      await this.rouse(name)
      this.get(name)
    } catch (error) {
      this.#c.log.warn({ err: error, worker: name }, 'could not be woken for its alarm')
      this.#sleepers.postpone(name, this.#c.clock.wallMs() + RING_RETRY_MS)
    }
  }

  async #load(id: WorkerId, epoch: number, from: LastTurn | undefined): Promise<void> {
    const name = formatWorkerId(id)
    const [workerClass, state] = await Promise.all([
      this.#c.classes.load(id.class),
      this.#atHand(name, epoch, from) ?? this.#read(id, epoch),
    ])
    checkClassVersion(name, state.version, workerClass)
    const already = this.#open.get(name)
    if (already && already.epoch >= epoch) return
    this.begin(this.add(id, workerClass, state))
  }

  /** The state of a worker that has none yet, or that a standby has here. */
  #atHand(name: string, epoch: number, from: LastTurn | undefined): StateAtHand | undefined {
    if (!from) return undefined
    if (from.epoch === 0) return { epoch, seq: from.seq, sections: [], version: 0 }
    const atHand = this.#c.atHand(name, from)
    return atHand && { ...atHand, epoch, seq: from.seq }
  }

  async #read(id: WorkerId, epoch: number): Promise<StateAtHand> {
    const loaded = await this.#c.store.load(id)
    if (loaded?.epoch === epoch) {
      const sections = loaded.sections.map(({ name, value }) => [name, value] as const)
      return { ...loaded, sections }
    }
    const found = loaded ? `epoch ${loaded.epoch}` : 'no worker'
    throw new AriesError(
      'ARIES_E_FENCED',
      `${formatWorkerId(id)}: epoch ${epoch} asked, the store has ${found}`,
    )
  }
}
