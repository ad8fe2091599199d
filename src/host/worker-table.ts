import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
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
import { StartMail } from './lifecycle-mail.ts'
import { checkClassVersion } from './migrate.ts'
import { OpenWorker, type OpenWorkerComponents } from './open-worker.ts'
import { Tombstones } from './tombstones.ts'

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
  readonly onDropped: (worker: OpenWorker, why: 'fenced' | 'store') => void
  readonly onAdded: (worker: OpenWorker) => void
  readonly onRemoved: (worker: OpenWorker) => void
  /** The state after the last turn of a dead owner, when a standby of it is here. */
  readonly atHand: (name: string, from: LastTurn) => StandbyState | undefined
}

/** The workers that are open in this host, and where the others went. */
export class WorkerTable {
  readonly active = new ActiveWorkers()
  readonly #c: WorkerTableComponents
  readonly #node: string
  readonly #open = new Map<string, OpenWorker>()
  readonly #opening = new Map<string, { epoch: number; done: Promise<void> }>()
  readonly #tombstones: Tombstones
  #fenced = false

  constructor(components: WorkerTableComponents, init: { node: string }) {
    this.#c = components
    this.#node = init.node
    this.#tombstones = new Tombstones(components.clock)
  }

  get size(): number {
    return this.#open.size
  }

  get(name: string): OpenWorker | undefined {
    return this.#open.get(name)
  }

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
    const already = this.#open.get(name)
    if (already && already.epoch >= epoch) return
    const opening = this.#opening.get(name)
    if (opening?.epoch === epoch) return opening.done
    const done = this.#load(id, epoch, from).finally(() => this.#opening.delete(name))
    this.#opening.set(name, { epoch, done })
    return done
  }

  /** Puts a worker in the table whose state is at hand; `begin` it in the same macrotask. */
  add(id: WorkerId, workerClass: WorkerClass, state: StateAtHand): OpenWorker {
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
        onMail: (name) => this.active.note(name),
        call,
        onDropped: (dropped, why) => {
          this.remove(dropped)
          onDropped(dropped, why)
        },
      },
      { ...state, id, node: this.#node, config },
    )
    this.#open.get(worker.name)?.drop('fenced')
    this.#open.set(worker.name, worker)
    this.active.note(worker.name)
    this.#c.onAdded(worker)
    this.#tombstones.delete(worker.name)
    return worker
  }

  /** The options of the classes changed. A worker whose class is no longer declared keeps its own. */
  reconfigure(): void {
    for (const worker of this.#open.values()) {
      const config = this.#c.classes.configs.get(worker.id.class)
      if (config) worker.configure(config)
    }
  }

  /** Puts `start` first in the mailbox. */
  begin(worker: OpenWorker): void {
    worker.offer(new StartMail(this.#c.clock.nowMs()))
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
    await this.#opening.get(name)?.done.catch(() => undefined)
    const worker = this.#open.get(name)
    if (worker && worker.epoch < epoch) worker.drop('fenced')
  }

  /** The node's incarnation is void: drops every worker, opens none any more. */
  fence(): void {
    this.#fenced = true
    for (const worker of this.#open.values()) worker.drop('fenced')
  }

  async #load(id: WorkerId, epoch: number, from: LastTurn | undefined): Promise<void> {
    const name = formatWorkerId(id)
    const atHand = from && this.#c.atHand(name, from)
    const [workerClass, state] = await Promise.all([
      this.#c.classes.load(id.class),
      from && atHand ? { ...atHand, epoch, seq: from.seq } : this.#read(id, epoch),
    ])
    checkClassVersion(name, state.version, workerClass)
    const already = this.#open.get(name)
    if (already && already.epoch >= epoch) return
    this.begin(this.add(id, workerClass, state))
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
