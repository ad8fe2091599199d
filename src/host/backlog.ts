/**
 * What a worker of `durability: 'relaxed'` has done and the store does not have yet. Its answers
 * leave early while that is little and young; else they wait for their commits, as strict ones do.
 *
 * A failed commit does not end such a worker: its clients have seen what it did. The records are
 * kept until the store answers; then it is asked which of them it has, and gets the others.
 */
import type { CommitRecord } from '../store/store.ts'
import type { Clock } from '../world.ts'
import type { CommitOwner, Committer } from './committer.ts'

/** Answers leave early while fewer turns, and fewer bytes, than these are not committed. */
export const BACKLOG_TURNS_MAX = 1_000
export const BACKLOG_BYTES_MAX = 8 * 1024 * 1024
/** And while the oldest of them is younger. */
export const BACKLOG_AGE_MS_MAX = 1_000
/** All workers of a host together. */
const HOST_BYTES_MAX = 64 * 1024 * 1024

interface Entry {
  readonly record: CommitRecord
  readonly bytes: number
  readonly atMs: number
}

export interface BacklogComponents {
  readonly committer: Committer
  readonly clock: Clock
  readonly owner: CommitOwner
  /** The store says that the worker is another's. */
  readonly onFenced: () => void
}

export class Backlog {
  readonly #c: BacklogComponents
  #entries: Entry[] = []
  #bytes = 0
  /** Until the store has said what it has, nothing is sent to it. */
  #asking = false
  /** Of the records that the committer has: over when they are to be asked for, and sent anew. */
  #sending: Sending
  /** The store refused a record: the worker may be another's by now. */
  doubted = false

  constructor(components: BacklogComponents) {
    this.#c = components
    this.#sending = new Sending(components.owner)
  }

  get size(): number {
    return this.#entries.length
  }

  /**
   * Whether what a turn says may leave before the commits. One that changed nothing adds nothing:
   * what it saw has been answered already, or what is still held back holds it back as well.
   */
  mayLeave(changed: boolean): boolean {
    return !changed || this.#hasRoom
  }

  get #hasRoom(): boolean {
    const oldest = this.#entries[0]
    if (!oldest) return true
    return (
      this.#entries.length <= BACKLOG_TURNS_MAX &&
      this.#bytes <= BACKLOG_BYTES_MAX &&
      this.#c.committer.backlogBytes <= HOST_BYTES_MAX &&
      this.#c.clock.nowMs() - oldest.atMs < BACKLOG_AGE_MS_MAX
    )
  }

  /** Has it committed, as soon as that can be. */
  add(record: CommitRecord): void {
    const { committer, clock } = this.#c
    let bytes = 0
    for (const { name, value } of record.set) bytes += name.length + value.length
    this.#entries.push({ record, bytes, atMs: clock.nowMs() })
    this.#count(bytes)
    if (this.#asking) return
    if (committer.lost) this.failed('lost')
    else committer.submit(record, this.#sending)
  }

  /** The store has everything up to `seq`. */
  committed(seq: number): void {
    let count = 0
    while (count < this.#entries.length && this.#entries[count]!.record.seq <= seq) {
      this.#count(-this.#entries[count]!.bytes)
      count++
    }
    this.#entries.splice(0, count)
  }

  /** A record was refused, or nobody knows what became of it: asks the store what it has. */
  failed(why: 'fenced' | 'lost'): void {
    if (why === 'fenced') this.doubted = true
    const first = this.#entries[0]
    if (this.#asking || !first) return
    this.#asking = true
    // What still waits to be sent is not: it would come before the answer, and then once more.
    this.#sending.isOver = true
    const { committer, owner } = this.#c
    const asked = committer.lastSeq(first.record, () => owner.dropped)
    void asked.then((seq) => {
      if (!owner.dropped) this.#goOn(seq)
    })
  }

  /** The worker is no longer here. Returns how many turns the store will never have. */
  clear(): number {
    const { size } = this
    this.#count(-this.#bytes)
    this.#entries = []
    return size
  }

  #goOn(seq: number | undefined): void {
    const { committer, owner, onFenced } = this.#c
    if (seq === undefined || seq < this.#entries[0]!.record.seq - 1) {
      onFenced()
      return
    }
    this.#asking = false
    this.doubted = false
    this.#sending = new Sending(owner)
    owner.committed(seq)
    for (const { record } of this.#entries) committer.submit(record, this.#sending)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#c.committer.backlogBytes += bytes
  }
}

/** The owner, as the committer knows it from one question to the store to the next. */
class Sending implements CommitOwner {
  isOver = false
  readonly #owner: CommitOwner

  constructor(owner: CommitOwner) {
    this.#owner = owner
  }

  get dropped(): boolean {
    return this.isOver || this.#owner.dropped
  }

  sent(seq: number): void {
    this.#owner.sent(seq)
  }

  committed(seq: number): void {
    this.#owner.committed(seq)
  }

  commitFailed(seq: number, why: 'fenced' | Error): void {
    this.#owner.commitFailed(seq, why)
  }
}
