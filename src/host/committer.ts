import type { Logger } from '../log.ts'
import type { CommitRecord, CommitResult, Store } from '../store/store.ts'

/** Most records and bytes of one transaction. */
const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 8 * 1024 * 1024

/** Who wants records committed: an open worker. */
export interface CommitOwner {
  /** Nothing of it may be committed any more. */
  readonly dropped: boolean
  /** Everything up to `seq` is durable. */
  committed(seq: number): void
  /** The record of `seq` was refused, or its outcome is unknown; the owner drops itself. */
  commitFailed(seq: number, why: 'fenced' | Error): void
}

interface Entry {
  readonly record: CommitRecord
  readonly owner: CommitOwner
}

/** Group commit: one transaction is under way, what comes meanwhile goes with the next. */
export class Committer {
  readonly #store: Store
  readonly #log: Logger
  readonly #node: string
  readonly #incarnation: number
  #waiting: Entry[] = []
  #busy = false

  constructor(
    components: { store: Store; log: Logger },
    init: { node: string; incarnation: number },
  ) {
    this.#store = components.store
    this.#log = components.log
    this.#node = init.node
    this.#incarnation = init.incarnation
  }

  /** Records of one owner must come in order of their seq. */
  submit(record: CommitRecord, owner: CommitOwner): void {
    this.#waiting.push({ record, owner })
    if (this.#busy) return
    this.#busy = true
    // After the macrotask's other turns: they share the transaction.
    setImmediate(() => void this.#run())
  }

  async #run(): Promise<void> {
    for (;;) {
      const batch = this.#takeBatch()
      if (batch.length === 0) break
      try {
        const records = batch.map((entry) => entry.record)
        this.#settle(batch, await this.#store.commit(this.#node, this.#incarnation, records))
      } catch (error) {
        const cause = error instanceof Error ? error : new Error(String(error))
        this.#log.error({ err: cause, records: batch.length }, 'commit failed')
        // From the end: an owner must learn of the last of its records whose outcome is unknown.
        for (const { record, owner } of batch.reverse()) {
          if (!owner.dropped) owner.commitFailed(record.seq, cause)
        }
      }
    }
    this.#busy = false
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
