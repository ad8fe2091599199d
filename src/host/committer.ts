import { formatWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { CommitRecord, CommitResult, OwnerRecord, Store } from '../store/store.ts'
import type { Clock } from '../world.ts'
import { Vouch } from './vouch.ts'

/** Most records and bytes of one transaction. */
const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 8 * 1024 * 1024
/** A store that has not answered for so long counts as lost: new writes are refused, not queued. */
const LATE_MS = 2_000
/** Between two looks at whether a lost store is back. */
const PROBE_MS = 250

/** Who wants records committed: an open worker. */
export interface CommitOwner {
  /** Nothing of it may be committed any more. */
  readonly dropped: boolean
  /** The records up to `seq` are with the store: from now on they may have been applied. */
  sent(seq: number): void
  /** Everything up to `seq` is durable. */
  committed(seq: number): void
  /**
   * The record of `seq` was refused, or nobody knows what became of those up to `seq`; what comes
   * after it was not sent. The owner drops itself.
   */
  commitFailed(seq: number, why: 'fenced' | Error): void
}

interface Entry {
  readonly record: CommitRecord
  readonly owner: CommitOwner
}

/**
 * Group commit: one transaction is under way, what comes meanwhile goes with the next. A failed one
 * means that the store is lost: what waits is turned away, and nothing is taken until it answers.
 */
export class Committer {
  readonly #store: Store
  readonly #log: Logger
  readonly #clock: Clock
  readonly #node: string
  readonly #incarnation: number
  /** While it is fresh, what changed nothing need not be committed. */
  readonly vouch = new Vouch()
  /** Bytes that relaxed workers have not committed yet, all together. */
  backlogBytes = 0
  #waiting: Entry[] = []
  #busy = false
  #sentMs = 0
  #lost: string | undefined

  constructor(
    components: { store: Store; log: Logger; clock: Clock },
    init: { node: string; incarnation: number },
  ) {
    this.#store = components.store
    this.#log = components.log
    this.#clock = components.clock
    this.#node = init.node
    this.#incarnation = init.incarnation
  }

  /** Why nothing can be committed now, and nothing may be submitted; undefined while it can. */
  get trouble(): string | undefined {
    if (this.#lost !== undefined) return this.#lost
    if (this.#sentMs === 0) return undefined
    const waitedMs = Math.round(this.#clock.nowMs() - this.#sentMs)
    return waitedMs > LATE_MS ? `the store has not answered for ${waitedMs} ms` : undefined
  }

  /** Whether the last commit failed, and the store has not answered since. */
  get lost(): boolean {
    return this.#lost !== undefined
  }

  /**
   * Number of the last turn of that record's worker that the store has, as soon as it answers;
   * undefined: the worker is not this node's under that epoch, or `cancelled`.
   */
  async lastSeq(
    { id, epoch }: CommitRecord,
    cancelled: () => boolean,
  ): Promise<number | undefined> {
    while (!cancelled()) {
      try {
        const owner = this.lost ? undefined : await this.#store.owner(id)
        if (!this.lost) return this.#isOurs(owner, epoch) ? owner.seq : undefined
      } catch (error) {
        this.#log.warn({ err: error, worker: formatWorkerId(id) }, 'owner not read')
      }
      await new Promise<void>((resolve) => void this.#clock.after(PROBE_MS, resolve))
    }
    return undefined
  }

  #isOurs(owner: OwnerRecord | undefined, epoch: number): owner is OwnerRecord {
    return (
      owner?.epoch === epoch &&
      owner.node === this.#node &&
      owner.incarnation === this.#incarnation &&
      owner.ownerActive
    )
  }

  /** Records of one owner must come in order of their seq. */
  submit(record: CommitRecord, owner: CommitOwner): void {
    this.#waiting.push({ record, owner })
    if (this.#busy) return
    this.#busy = true
    void this.#run()
  }

  async #run(): Promise<void> {
    for (;;) {
      // What this round of the event loop still brings shares the transaction. So it does after
      // another one: requests that came while its answers left have not been read yet.
      await new Promise<void>((resolve) => void setImmediate(resolve))
      const batch = this.#takeBatch()
      if (batch.length === 0) break
      try {
        const records = batch.map((entry) => entry.record)
        this.#sentMs = this.#clock.nowMs()
        this.#settle(batch, await this.#store.commit(this.#node, this.#incarnation, records))
      } catch (error) {
        this.#failed(batch, error instanceof Error ? error : new Error(String(error)))
      }
      this.#sentMs = 0
    }
    this.#busy = false
  }

  #failed(batch: readonly Entry[], cause: Error): void {
    this.#log.error({ err: cause, records: batch.length }, 'commit failed')
    this.#lost = cause.message
    // From the end: an owner must learn of the last of its records whose outcome is unknown.
    for (const { record, owner } of batch.toReversed()) {
      if (!owner.dropped) owner.commitFailed(record.seq, cause)
    }
    // These were never sent, but the memory of their workers has gone on: it cannot be kept.
    for (const { owner } of this.#waiting.splice(0)) {
      if (!owner.dropped) owner.commitFailed(0, cause)
    }
    this.#probe()
  }

  #probe(): void {
    this.#clock.after(PROBE_MS, () => {
      this.#store.commit(this.#node, this.#incarnation, []).then(
        () => {
          this.#lost = undefined
          this.#log.info('the store answers again')
        },
        () => this.#probe(),
      )
    })
  }

  #takeBatch(): Entry[] {
    const batch: Entry[] = []
    let bytes = 0
    let taken = 0
    for (const entry of this.#waiting) {
      if (batch.length >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX) break
      taken++
      if (entry.owner.dropped) continue
      batch.push(entry)
      for (const section of entry.record.set) bytes += section.value.length
    }
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken)
    for (const { record, owner } of batch) owner.sent(record.seq)
    return batch
  }

  #settle(batch: readonly Entry[], results: readonly CommitResult[]): void {
    for (let i = 0; i < batch.length; i++) {
      const { record, owner } = batch[i]!
      if (owner.dropped) continue
      if (results[i] === 'ok') owner.committed(record.seq)
      else owner.commitFailed(record.seq, 'fenced')
    }
  }
}
