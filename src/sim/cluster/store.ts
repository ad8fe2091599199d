/**
 * The store of the simulated cluster: the contract of `src/store/store.ts` in memory, reached by
 * each process over a connection of its own whose calls and answers can be late, lost or overtaken.
 */
import { AriesError } from '../../errors.ts'
import { formatWorkerId, type WorkerId } from '../../identity.ts'
import { ALARM_SECTION, decodeAlarm } from '../../store/alarm.ts'
import { refusal, refused } from '../../store/claim.ts'
import type {
  ClaimRequest,
  ClaimResult,
  CommitRecord,
  CommitResult,
  DueAlarm,
  Evictor,
  JobRecord,
  JobWriteResult,
  LoadedWorker,
  NodeRecord,
  NodeStatus,
  OwnerRecord,
  Store,
} from '../../store/store.ts'
import type { Random } from '../../world.ts'
import type { VirtualProcess } from '../runtime/process.ts'
import type { VirtualTcp } from '../runtime/tcp.ts'
import type { VirtualClock } from '../virtual-clock.ts'

export const STORE_MACHINE = 'store'

interface WorkerRow {
  readonly id: WorkerId
  node: string
  incarnation: number
  host: number
  epoch: number
  seq: number
  version: number
  readonly sections: Map<string, Uint8Array>
}

interface NodeRow {
  incarnation: number
  status: NodeStatus
  leaseUntilMs: number
}

/** Hears of what the store did, as it does it. */
export interface StoreWatcher {
  claimed(request: ClaimRequest, before: OwnerRecord | undefined, epoch: number): void
  committed(node: string, record: CommitRecord, sections: ReadonlyMap<string, Uint8Array>): void
  registered(node: string, incarnation: number): void
  evicted(node: string, incarnation: number): void
  /** A call arrived, was done, or its answer left: the places for an aimed crash. */
  step(what: string): void
}

export interface StoreFaults {
  delayMsMax: number
  /** Part of the calls that are not done, and of those that are done whose answer is lost. */
  lostCalls: number
  lostAnswers: number
}

export class VirtualStore {
  readonly faults: StoreFaults
  readonly workers = new Map<string, WorkerRow>()
  readonly nodes = new Map<string, NodeRow>()
  readonly #c: {
    readonly clock: VirtualClock
    readonly random: Random
    readonly tcp: VirtualTcp
    readonly watcher: StoreWatcher
  }
  /** `stuck`: it answers nobody and goes on later; `down`: it refuses everybody. */
  #state: 'up' | 'stuck' | 'down' = 'up'
  #stuck: (() => void)[] = []

  constructor(
    components: { clock: VirtualClock; random: Random; tcp: VirtualTcp; watcher: StoreWatcher },
    faults: StoreFaults,
  ) {
    this.#c = components
    this.faults = faults
  }

  connect(by: VirtualProcess): Store {
    return new StoreConnection(this, by)
  }

  /** Nothing is done any more until `up`; then what waited is, though its callers may be dead. */
  stick(): void {
    this.#state = 'stuck'
  }

  /** A crash: what is under way may have been done. */
  crash(): void {
    this.#state = 'down'
  }

  up(): void {
    this.#state = 'up'
    for (const go of this.#stuck.splice(0)) this.#c.clock.after(0, go)
  }

  owner(id: WorkerId): OwnerRecord | undefined {
    const row = this.workers.get(formatWorkerId(id))
    return row && this.#record(row)
  }

  isActive(node: string, incarnation: number): boolean {
    const row = this.nodes.get(node)
    return row?.status === 'active' && row.incarnation === incarnation
  }

  /** A call of a process: its way here, the doing, the way of the answer. */
  call<T>(by: VirtualProcess, what: string, run: () => T): Promise<T> {
    const { random, clock, watcher } = this.#c
    return new Promise<T>((resolve, reject) => {
      if (by.dead) return
      watcher.step(`${by.name} asks ${what}`)
      const lost = (why: string): void => {
        clock.after(this.#delayMs(), () =>
          by.run(() => reject(new AriesError('ARIES_E_STORE', why))),
        )
      }
      const doIt = (): void => {
        if (this.#c.tcp.isCut(by.machine, STORE_MACHINE) || this.#state === 'stuck') {
          this.#wait(doIt)
        } else if (this.#state === 'down') {
          // What came before the crash and was under way may have been done.
          if (random.next() < 0.2) run()
          lost('the store is down')
        } else if (random.next() < this.faults.lostCalls) lost('the call was lost')
        else {
          watcher.step(`${what} of ${by.name} is done`)
          const result = run()
          const answer = (): void => {
            if (this.#c.tcp.isCut(STORE_MACHINE, by.machine)) this.#wait(answer)
            else by.run(() => resolve(result))
          }
          if (random.next() < this.faults.lostAnswers) lost('the answer was lost')
          else clock.after(this.#delayMs(), answer)
        }
      }
      clock.after(this.#delayMs(), doIt)
    })
  }

  #wait(go: () => void): void {
    if (this.#state === 'stuck') this.#stuck.push(go)
    else this.#c.clock.after(20, go)
  }

  #delayMs(): number {
    return 0.1 + this.#c.random.next() * this.faults.delayMsMax
  }

  register(node: string, leaseMs: number): number {
    const incarnation = (this.nodes.get(node)?.incarnation ?? 0) + 1
    const leaseUntilMs = this.#c.clock.wallMs() + leaseMs
    this.nodes.set(node, { incarnation, status: 'active', leaseUntilMs })
    this.#c.watcher.registered(node, incarnation)
    return incarnation
  }

  renew(node: string, incarnation: number, leaseMs: number): boolean {
    if (!this.isActive(node, incarnation)) return false
    this.nodes.get(node)!.leaseUntilMs = this.#c.clock.wallMs() + leaseMs
    return true
  }

  end(node: string, incarnation: number, status: NodeStatus): boolean {
    if (!this.isActive(node, incarnation)) return false
    this.nodes.get(node)!.status = status
    this.#c.watcher.evicted(node, incarnation)
    return true
  }

  nodeRecords(): NodeRecord[] {
    return Array.from(this.nodes, ([id, row]) => ({ id, ...row }))
  }

  ownedBy(node: string, limit: number, after: WorkerId | undefined): OwnerRecord[] {
    const key = (id: WorkerId): string => `${id.class}\u0000${id.key}`
    return [...this.workers.values()]
      .filter((row) => row.node === node && (!after || key(row.id) > key(after)))
      .toSorted((a, b) => (key(a.id) < key(b.id) ? -1 : 1))
      .slice(0, limit)
      .map((row) => this.#record(row))
  }

  claim(request: ClaimRequest): ClaimResult {
    const { id, node, incarnation, host } = request
    const before = this.owner(id)
    const why = refusal(request, before, this.isActive(node, incarnation))
    if (why !== undefined) return refused(why, before)
    const row = this.workers.get(formatWorkerId(id))
    const epoch = (row?.epoch ?? 0) + 1
    if (row) Object.assign(row, { node, incarnation, host, epoch })
    else {
      const sections = new Map<string, Uint8Array>()
      const row = { id, node, incarnation, host, epoch, seq: 0, version: 0, sections }
      this.workers.set(formatWorkerId(id), row)
    }
    this.#c.watcher.claimed(request, before, epoch)
    return { ok: true, epoch, seq: before?.seq ?? 0 }
  }

  commit(node: string, incarnation: number, records: readonly CommitRecord[]): CommitResult[] {
    const active = this.isActive(node, incarnation)
    const fenced = new Set<WorkerRow>()
    return records.map((record) => {
      const row = this.workers.get(formatWorkerId(record.id))
      const isOwner = row?.node === node && row.incarnation === incarnation
      if (!active || !isOwner || fenced.has(row)) return 'fenced'
      if (row.epoch !== record.epoch || row.seq + 1 !== record.seq) {
        fenced.add(row)
        return 'fenced'
      }
      row.seq++
      row.version = record.version ?? row.version
      for (const name of record.remove) row.sections.delete(name)
      for (const { name, value } of record.set) row.sections.set(name, new Uint8Array(value))
      this.#c.watcher.committed(node, record, row.sections)
      return 'ok'
    })
  }

  load(id: WorkerId): LoadedWorker | undefined {
    const row = this.workers.get(formatWorkerId(id))
    if (!row) return undefined
    // Copies, as of any store: whoever loads them may give their memory back.
    const sections = Array.from(row.sections, ([name, value]) => ({
      name,
      value: new Uint8Array(value),
    }))
    return { epoch: row.epoch, seq: row.seq, version: row.version, sections }
  }

  dueAlarms(afterMs: number, beforeMs: number, limit: number): DueAlarm[] {
    const due: DueAlarm[] = []
    for (const { id, sections } of this.workers.values()) {
      const value = sections.get(ALARM_SECTION)
      const dueMs = value ? decodeAlarm(value).dueMs : Number.NaN
      if (dueMs > afterMs && dueMs <= beforeMs) due.push({ id, dueMs })
    }
    return due.toSorted((a, b) => a.dueMs - b.dueMs).slice(0, limit)
  }

  #record(row: WorkerRow): OwnerRecord {
    const { id, node, incarnation, host, epoch, seq, version } = row
    const ownerActive = this.isActive(node, incarnation)
    return { id, node, incarnation, host, epoch, seq, version, ownerActive }
  }
}

class StoreConnection implements Store {
  readonly description = 'the store of the simulation'
  readonly #store: VirtualStore
  readonly #by: VirtualProcess

  constructor(store: VirtualStore, by: VirtualProcess) {
    this.#store = store
    this.#by = by
  }

  register(node: string, leaseMs: number): Promise<number> {
    return this.#call('register', () => this.#store.register(node, leaseMs))
  }

  renew(node: string, incarnation: number, leaseMs: number): Promise<boolean> {
    return this.#call('renew', () => this.#store.renew(node, incarnation, leaseMs))
  }

  async leave(node: string, incarnation: number): Promise<void> {
    await this.#call('leave', () => this.#store.end(node, incarnation, 'left'))
  }

  /** Nobody is told: who was evicted learns of it as late as it may. */
  watch(): () => void {
    return () => undefined
  }

  evict(node: string, incarnation: number, by?: Evictor): Promise<boolean> {
    return this.#call('evict', () => {
      if (by && !this.#store.isActive(by.node, by.incarnation)) return false
      return this.#store.end(node, incarnation, 'evicted')
    })
  }

  nodes(): Promise<NodeRecord[]> {
    return this.#call('nodes', () => this.#store.nodeRecords())
  }

  owner(id: WorkerId): Promise<OwnerRecord | undefined> {
    return this.#call('owner', () => this.#store.owner(id))
  }

  ownedBy(node: string, limit: number, after?: WorkerId): Promise<OwnerRecord[]> {
    return this.#call('ownedBy', () => this.#store.ownedBy(node, limit, after))
  }

  claim(request: ClaimRequest): Promise<ClaimResult> {
    return this.#call(`claim (${request.mode})`, () => this.#store.claim(request))
  }

  commit(
    node: string,
    incarnation: number,
    records: readonly CommitRecord[],
  ): Promise<CommitResult[]> {
    return this.#call('commit', () => this.#store.commit(node, incarnation, records))
  }

  load(id: WorkerId): Promise<LoadedWorker | undefined> {
    return this.#call('load', () => this.#store.load(id))
  }

  dueAlarms(afterMs: number, beforeMs: number, limit: number): Promise<DueAlarm[]> {
    return this.#call('dueAlarms', () => this.#store.dueAlarms(afterMs, beforeMs, limit))
  }

  /** No member of the simulation is configured to run jobs. */
  job(): Promise<undefined> {
    return this.#call('job', () => undefined)
  }

  jobs(): Promise<JobRecord[]> {
    return this.#call('jobs', () => [])
  }

  writeJob(): Promise<JobWriteResult> {
    return this.#call('writeJob', () => 'full')
  }

  forgetJobs(): Promise<void> {
    return this.#call('forgetJobs', () => undefined)
  }

  async close(): Promise<void> {}

  #call<T>(what: string, run: () => T): Promise<T> {
    return this.#store.call(this.#by, what, run)
  }
}
