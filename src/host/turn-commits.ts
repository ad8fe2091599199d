/**
 * What becomes of the turns of one open worker: the commit record of each that changed something,
 * by number, and the gate in which what they say waits until everything before it is durable.
 */
import { AriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { CommitRecord } from '../store/store.ts'
import { SECTION_BYTES_REPORTED, SECTION_BYTES_WARNED } from '../worker/section.ts'
import { type Changes, NO_CHANGE } from '../worker/state.ts'
import type { Durability } from '../worker/worker.ts'
import type { Clock } from '../world.ts'
import { Backlog } from './backlog.ts'
import type { CommitOwner, Committer } from './committer.ts'
import { Gate, type Held } from './gate.ts'

export interface TurnCommitsComponents {
  readonly committer: Committer
  readonly clock: Clock
  readonly log: Logger
  /** Something has become durable. */
  readonly onCommitted: () => void
  /**
   * Nothing of the worker may be committed any more. Turns up to `unknownSeq` may have been
   * committed, though the answer has not come; those after it were not.
   */
  readonly onFailed: (why: 'fenced' | 'store', unknownSeq: number) => void
}

export interface TurnCommitsInit {
  readonly id: WorkerId
  readonly name: string
  readonly epoch: number
  readonly seq: number
  /** Version of the class that wrote the state; 0: nothing was written. */
  readonly version: number
  /** Version of the class here. */
  readonly classVersion: number
  readonly durability: Durability | undefined
}

interface Awaiting {
  readonly seq: number
  readonly resolve: () => void
  readonly reject: (error: AriesError) => void
}

export type Tail = (seq: number, changes: Changes) => void

export class TurnCommits implements CommitOwner {
  /** Hears of each turn that changed the state: the tail of a move. */
  tail: Tail | undefined
  /** Hears the same: the feed of its standby. */
  feed: Tail | undefined
  epoch: number
  dropped = false
  readonly #c: TurnCommitsComponents
  readonly #id: WorkerId
  readonly #name: string
  readonly #gate: Gate
  /** Of a relaxed worker. */
  readonly #backlog: Backlog | undefined
  readonly #classVersion: number
  /** Calls that leave when the turns before them are durable. */
  readonly #awaiting: Awaiting[] = []
  #seq: number
  #sentSeq: number
  #version: number

  constructor(components: TurnCommitsComponents, init: TurnCommitsInit) {
    this.#c = components
    this.#id = init.id
    this.#name = init.name
    this.epoch = init.epoch
    this.#gate = new Gate(init.seq)
    const { committer, clock, onFailed } = components
    if (init.durability === 'relaxed') {
      const onFenced = (): void => onFailed('fenced', 0)
      this.#backlog = new Backlog({ committer, clock, owner: this, onFenced })
    }
    this.#seq = init.seq
    this.#sentSeq = init.seq
    this.#version = init.version
    this.#classVersion = init.classVersion
  }

  /** Number of the last turn that changed the state. */
  get seq(): number {
    return this.#seq
  }

  /** Version of the class that wrote the state; 0: nothing was written. */
  get version(): number {
    return this.#version
  }

  /** Number of the last turn that is known to be durable. */
  get committedSeq(): number {
    return this.#gate.committedSeq
  }

  /** Whether everything is durable. */
  get settled(): boolean {
    return this.#gate.isOpenTo(this.#seq)
  }

  /** Whether a move or a standby hears of each turn. */
  get isFollowed(): boolean {
    return this.tail !== undefined || this.feed !== undefined
  }

  /** Turns that are done and wait to be committed. */
  get size(): number {
    return this.#gate.size + (this.#backlog?.size ?? 0)
  }

  /**
   * Whether the node is known to own the worker, so that what changed nothing need not be committed.
   * Not so a relaxed one that stands upon turns which no client has heard of and no store has.
   */
  get fresh(): boolean {
    const { committer } = this.#c
    if (!committer.vouch.fresh) return false
    if (!this.#backlog) return true
    return !this.#backlog.doubted && !(committer.lost && this.#gate.size > 0)
  }

  /**
   * Why the store cannot take a turn now. One that changes something is undone before anything is
   * sent. A read that the store cannot confirm is turned away: the front asks again, and soon
   * somebody vouches. A relaxed worker goes on for a moment; see `Backlog`.
   */
  trouble(changes: boolean): AriesError | undefined {
    const trouble = this.#c.committer.trouble
    if (trouble === undefined) return undefined
    if (!changes) return new AriesError('ARIES_E_NOT_OWNER', `${this.#name}: ${trouble}`)
    if (this.#mayLeaveEarly(true)) return undefined
    return new AriesError('ARIES_E_STORE', `${this.#name} cannot be changed now: ${trouble}`)
  }

  /**
   * The number of the turn, or 0 when it changed nothing. That is committed too unless it is
   * `fresh`: what a turn read may be old news. With `migrated` the state is of the version of the
   * class from this turn on.
   */
  submit(changes: Changes, fresh: boolean, migrated: boolean): number {
    const { set, remove } = changes
    const changed = set.length > 0 || remove.length > 0 || migrated
    if (!changed && fresh) return 0
    this.#seq++
    for (const { name, value } of set) this.#report(name, value.length)
    this.tail?.(this.#seq, changes)
    const record = { id: this.#id, epoch: this.epoch, seq: this.#seq, set, remove }
    if (migrated || this.#version === 0) {
      this.#version = this.#classVersion
      this.#submit({ ...record, version: this.#version })
    } else {
      this.#submit(record)
    }
    this.feed?.(this.#seq, changes)
    return changed ? this.#seq : 0
  }

  /** A turn changed nothing: that is committed too unless it is `fresh`, see `submit`. */
  confirm(fresh: boolean): void {
    this.submit(NO_CHANGE, fresh, false)
  }

  /** Says what a turn wants to say as soon as everything up to it is durable; if relaxed, at once. */
  hold(held: Held): void {
    this.#gate.hold(held, this.#mayLeaveEarly(held.ownSeq > 0) ? 0 : this.#seq)
  }

  /** Resolves when every turn so far is durable; rejects when they were turned away. */
  durable(): Promise<void> | undefined {
    const seq = this.#seq
    if (seq <= this.committedSeq) return undefined
    return new Promise((resolve, reject) => this.#awaiting.push({ seq, resolve, reject }))
  }

  sent(seq: number): void {
    this.#sentSeq = seq
  }

  committed(seq: number): void {
    this.#backlog?.committed(seq)
    this.#gate.open(seq)
    while (this.#awaiting[0] && this.#awaiting[0].seq <= seq) this.#awaiting.shift()!.resolve()
    this.#c.onCommitted()
  }

  commitFailed(seq: number, why: 'fenced' | Error): void {
    if (this.#backlog) {
      this.#backlog.failed(why === 'fenced' ? why : 'lost')
      // It will be committed in the end, but nobody knows when.
      if (why !== 'fenced') this.expire(Number.POSITIVE_INFINITY)
    } else if (why === 'fenced') this.#c.onFailed('fenced', 0)
    else this.#c.onFailed('store', seq)
  }

  /** Answers whoever came before `beforeMs`: the store takes too long to say how it went. */
  expire(beforeMs: number): void {
    this.#gate.expire(beforeMs, ({ error, ownSeq }) => {
      if (error) return error
      if (ownSeq > 0) return outcomeUnknown(this.#name)
      return new AriesError('ARIES_E_STORE', `${this.#name}: the store does not answer`)
    })
  }

  /** Everybody whose turn was not committed hears `error`, or that nobody knows; see `onFailed`. */
  turnAway(error: AriesError, unknownSeq = this.#sentSeq): void {
    const turns = this.#backlog?.clear() ?? 0
    if (turns > 0) {
      this.#c.log.error(
        { worker: this.#name, turns },
        'turns of a relaxed worker are lost, their answers may have left',
      )
    }
    for (const { reject } of this.#awaiting.splice(0)) reject(error)
    for (const held of this.#gate.takeAll()) {
      const unknown = held.ownSeq !== 0 && held.ownSeq <= unknownSeq
      held.mail.fail(unknown ? outcomeUnknown(this.#name) : error)
    }
  }

  /** A node that nobody vouches for may own nothing any more: it answers nothing by itself. */
  #mayLeaveEarly(changed: boolean): boolean {
    return this.#backlog?.mayLeave(changed) === true && this.fresh
  }

  #submit(record: CommitRecord): void {
    if (this.#backlog) this.#backlog.add(record)
    else this.#c.committer.submit(record, this)
  }

  #report(section: string, bytes: number): void {
    if (bytes <= SECTION_BYTES_REPORTED) return
    const level = bytes > SECTION_BYTES_WARNED ? 'warn' : 'info'
    this.#c.log[level]({ worker: this.#name, section, bytes }, 'large section of state')
  }
}

function outcomeUnknown(name: string): AriesError {
  return new AriesError(
    'ARIES_E_OUTCOME_UNKNOWN',
    `the store failed while a change of ${name} was committed`,
  )
}
