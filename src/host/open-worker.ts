/**
 * A worker that is open in this host. It takes its mail one piece at a time; each is a turn. A turn
 * that changed the state makes a commit record; what the turn wants to say (its result, its
 * outputs) waits in the gate until everything before it is durable.
 *
 * The next turn may run while a commit is under way. When a commit is refused, or nobody knows
 * whether it was applied, the memory here is worth nothing: the worker is dropped whole.
 */
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { SECTION_BYTES_REPORTED, SECTION_BYTES_WARNED } from '../worker/section.ts'
import { type Changes, SectionState } from '../worker/state.ts'
import type { Worker, WorkerClass } from '../worker/worker.ts'
import type { Clock } from '../world.ts'
import { AlarmClock, alarmSetting } from './alarm-clock.ts'
import type { CommitOwner, Committer } from './committer.ts'
import { Gate } from './gate.ts'
import { type Mail, Mailbox } from './mailbox.ts'
import { WorkerMeter } from './meter.ts'
import { Replies } from './replies.ts'
import { SessionSet } from './session-set.ts'
import { isPromise, NOT_THE_WORKERS, type Output, Turn } from './turn.ts'

/** How long turns run before the event loop gets its turn. */
const SLICE_MS = 2

export interface OpenWorkerInit {
  readonly id: WorkerId
  readonly node: string
  readonly epoch: number
  readonly seq: number
  readonly sections: Iterable<readonly [string, Uint8Array]>
  readonly queueMax: number
}

export interface OpenWorkerComponents {
  readonly workerClass: WorkerClass
  readonly committer: Committer
  readonly clock: Clock
  readonly log: Logger
  /** The worker dropped itself: it must be forgotten. */
  readonly onDropped: (worker: OpenWorker, why: 'fenced' | 'store') => void
}

export class OpenWorker implements CommitOwner {
  readonly id: WorkerId
  readonly name: string
  readonly node: string
  readonly mailbox: Mailbox
  readonly sessions = new SessionSet()
  readonly meter: WorkerMeter
  /** Hears of each turn that changed the state: the tail of a move. */
  tail: ((seq: number, changes: Changes) => void) | undefined
  /** When the last turn ended. */
  turnEndedMs = 0
  /** Hears why the worker was dropped: the move that is under way. */
  onLost: ((why: string) => void) | undefined
  readonly #c: OpenWorkerComponents
  readonly #gate: Gate
  readonly #alarm: AlarmClock
  #epoch: number
  #seq: number
  #sentSeq: number
  #state: SectionState
  #replies: Replies
  #instance: Worker
  #started = false
  #turn: Turn | undefined
  #paused = false
  #scheduled = false
  #dropped = false
  #onQuiet: (() => void) | undefined

  constructor(components: OpenWorkerComponents, init: OpenWorkerInit) {
    this.#c = components
    this.id = init.id
    this.name = formatWorkerId(init.id)
    this.node = init.node
    this.mailbox = new Mailbox(init.queueMax)
    this.meter = new WorkerMeter(components.clock)
    this.#epoch = init.epoch
    this.#seq = init.seq
    this.#sentSeq = init.seq
    this.#gate = new Gate(init.seq)
    this.#alarm = new AlarmClock(
      { ...components, state: () => this.#state, offer: (mail) => this.offer(mail, true) },
      this.name,
    )
    this.#state = new SectionState(init.sections)
    this.#replies = new Replies(this.#state, components.workerClass.idempotency)
    this.#instance = this.#newInstance()
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Number of the last turn that changed the state. */
  get seq(): number {
    return this.#seq
  }

  get state(): SectionState {
    return this.#state
  }

  /** Replies by `Idempotency-Key`; another object when a turn was given up. */
  get replies(): Replies {
    return this.#replies
  }

  get dropped(): boolean {
    return this.#dropped
  }

  get turn(): Turn | undefined {
    return this.#turn
  }

  /** Waiting, running, or done and not yet committed. */
  get load(): number {
    return this.mailbox.size + this.#gate.size + (this.#turn ? 1 : 0)
  }

  get takesWebSockets(): boolean {
    const instance = this.#instance
    return instance.webSocketOpen !== undefined || instance.webSocketMessage !== undefined
  }

  /** False when the queue is full; see `Mailbox.push`. */
  offer(mail: Mail, always = false): boolean {
    if (!this.mailbox.push(mail, always)) return false
    if (!this.#turn && !this.#paused && !this.#scheduled) this.#pump()
    return true
  }

  /** What the running turn wants to send; it leaves with the commit. Throws outside a turn. */
  output(output: Output): void {
    if (!this.#turn || this.#dropped) {
      throw new AriesError('ARIES_E_WORKER_FAILED', 'a worker sends within its turns only')
    }
    this.#turn.outputs.push(output)
  }

  /** Closes the mailbox (mail still queues) and calls back when no turn runs and all is committed. */
  pause(onQuiet: () => void): void {
    this.#paused = true
    this.#onQuiet = onQuiet
    this.#checkQuiet()
  }

  /** Opens the mailbox again; under a new epoch when a move was given up after its fence. */
  resume(epoch = this.#epoch): void {
    this.#epoch = epoch
    this.#paused = false
    this.#onQuiet = undefined
    this.#pump()
  }

  /** The worker is no longer here. Returns the mail that waited. */
  retire(): Mail[] {
    this.#dropped = true
    this.tail = undefined
    this.#alarm.stop()
    return this.mailbox.takeAll()
  }

  /** Tells the instance, outside any turn, that it has left. */
  async stopInstance(reason: 'moved' | 'closed'): Promise<void> {
    if (!this.#started) return
    try {
      await this.#instance.stop?.(reason)
    } catch (error) {
      this.#c.log.warn({ err: error, worker: this.name }, 'stop threw')
    }
  }

  /**
   * Everything that was not committed is turned away; see the head of the file. Turns up to
   * `unknownSeq` may have been committed, though the answer has not come; those after it were not.
   */
  drop(why: 'fenced' | 'store', unknownSeq = this.#sentSeq): void {
    if (this.#dropped) return
    const waiting = this.retire()
    const error = new AriesError('ARIES_E_NOT_OWNER', `${this.name} is not here any more`)
    const running = this.#turn
    this.#turn = undefined
    for (const held of this.#gate.takeAll()) {
      const unknown = held.ownSeq !== 0 && held.ownSeq <= unknownSeq
      held.mail.fail(unknown ? outcomeUnknown(this.name) : error)
    }
    running?.mail.fail(error)
    for (const mail of waiting) mail.fail(error)
    this.onLost?.(why)
    this.#c.onDropped(this, why)
  }

  sent(seq: number): void {
    this.#sentSeq = seq
  }

  committed(seq: number): void {
    this.#gate.open(seq)
    this.#checkQuiet()
  }

  commitFailed(seq: number, why: 'fenced' | Error): void {
    if (why === 'fenced') this.drop('fenced', 0)
    else this.drop('store', seq)
  }

  /** Ends a turn that takes too long: its instance is replaced, since it may still be running. */
  expire(limitMs: number): void {
    const nowMs = this.#c.clock.nowMs()
    const turn = this.#turn
    if (turn && nowMs - turn.startedMs > limitMs) {
      this.#c.log.warn(
        { worker: this.name, limitMs },
        'turn took too long, its changes are dropped',
      )
      this.#state.rollBack()
      this.#state = new SectionState(this.#state.sections)
      this.#replies = new Replies(this.#state, this.#c.workerClass.idempotency)
      this.#instance = this.#newInstance()
      this.#started = false
      this.#finish(turn, undefined, timeout(`a turn of ${this.name} took over ${limitMs} ms`))
      this.#pump()
    }
    this.#gate.expire(nowMs - 2 * limitMs, () => outcomeUnknown(this.name))
    for (;;) {
      const first = this.mailbox.peek()
      if (!first || nowMs - first.arrivedMs <= limitMs) return
      this.mailbox.shift()
      first.fail(timeout(`it waited over ${limitMs} ms for ${this.name}`))
    }
  }

  #newInstance(): Worker {
    const { class: className, key } = this.id
    const context = {
      key,
      className,
      node: this.node,
      state: this.#state,
      webSockets: this.sessions.sockets,
      alarm: alarmSetting(this.#state),
    }
    return new this.#c.workerClass(context)
  }

  #pump(): void {
    if (this.#scheduled) return
    const untilMs = this.#c.clock.nowMs() + SLICE_MS
    while (!this.#turn && !this.#paused && !this.#dropped) {
      const mail = this.mailbox.shift()
      if (!mail) return
      if (mail.abandoned) continue
      this.#run(mail)
      if (this.#c.clock.nowMs() > untilMs && this.mailbox.size > 0) {
        this.#scheduled = true
        setImmediate(() => {
          this.#scheduled = false
          this.#pump()
        })
        return
      }
    }
  }

  #run(mail: Mail): void {
    const turn = new Turn(mail, this.#c.clock.nowMs())
    this.#turn = turn
    this.#state.beginTurn()
    try {
      const result = this.#started ? mail.run(this.#instance) : this.#startThenRun(mail)
      if (isPromise(result)) {
        this.meter.ran(turn.startedMs)
        result.then(
          (value) => this.#settled(turn, value, undefined),
          (error) => this.#settled(turn, undefined, error ?? new Error('rejected')),
        )
        return
      }
      this.#finish(turn, result, undefined)
    } catch (error) {
      this.#finish(turn, undefined, error ?? new Error('thrown'))
    }
    this.meter.ran(turn.startedMs)
  }

  #startThenRun(mail: Mail): unknown {
    const instance = this.#instance
    this.#turn!.starts = true
    const starting = instance.start?.()
    if (!isPromise(starting)) {
      this.#started = true
      return mail.run(instance)
    }
    return starting.then(() => {
      if (this.#instance === instance) this.#started = true
      return mail.run(instance)
    })
  }

  /** An asynchronous turn came to its end; unless it was given up before. */
  #settled(turn: Turn, value: unknown, thrown: unknown): void {
    if (this.#turn !== turn) return
    this.#finish(turn, value, thrown)
    this.#pump()
  }

  #finish(turn: Turn, value: unknown, thrown: unknown): void {
    this.#turn = undefined
    this.turnEndedMs = this.#c.clock.nowMs()
    this.meter.turns++
    const failed = thrown ?? turn.mail.fault?.(value)
    let error = failed === undefined ? undefined : this.#failure(failed)
    let ownSeq = 0
    const { fresh } = this.#c.committer.vouch
    if (!error && (this.#state.touched || !fresh)) error = this.#storeTrouble()
    if (error) {
      this.#state.rollBack()
    } else {
      try {
        ownSeq = this.#commit(this.#state.endTurn(), fresh)
      } catch (unencodable) {
        error = this.#failure(unencodable)
      }
    }
    this.#replies.turnEnded(!error)
    if (error) {
      turn.undo()
      if (turn.starts) this.#started = false
    }
    this.#gate.hold({ mail: turn.mail, outputs: turn.outputs, value, error, ownSeq }, this.#seq)
    this.#alarm.arm()
    this.#checkQuiet()
  }

  #failure(thrown: unknown): AriesError {
    if (thrown instanceof AriesError && NOT_THE_WORKERS.has(thrown.code)) return thrown
    this.#c.log.warn({ err: thrown, worker: this.name }, 'worker threw')
    const { message } = toAriesError(thrown)
    return new AriesError('ARIES_E_WORKER_FAILED', `${this.name}: ${message}`)
  }

  /**
   * While the store is lost a turn that changes something is undone before anything is sent. A read
   * that the store cannot confirm is turned away: the front asks again, and soon somebody vouches.
   */
  #storeTrouble(): AriesError | undefined {
    const trouble = this.#c.committer.trouble
    if (trouble === undefined) return undefined
    if (!this.#state.touched) return new AriesError('ARIES_E_NOT_OWNER', `${this.name}: ${trouble}`)
    return new AriesError('ARIES_E_STORE', `${this.name} cannot be changed now: ${trouble}`)
  }

  /**
   * The number of the turn, or 0 when it changed nothing. That is committed too unless the node is
   * known to own the worker: what a turn read may be old news.
   */
  #commit(changes: Changes, fresh: boolean): number {
    const changed = changes.set.length > 0 || changes.remove.length > 0
    if (!changed && fresh) return 0
    this.#seq++
    for (const { name, value } of changes.set) this.#report(name, value.length)
    const { set, remove } = changes
    this.tail?.(this.#seq, changes)
    this.#c.committer.submit({ id: this.id, epoch: this.#epoch, seq: this.#seq, set, remove }, this)
    return changed ? this.#seq : 0
  }

  #report(section: string, bytes: number): void {
    if (bytes <= SECTION_BYTES_REPORTED) return
    const level = bytes > SECTION_BYTES_WARNED ? 'warn' : 'info'
    this.#c.log[level]({ worker: this.name, section, bytes }, 'large section of state')
  }

  #checkQuiet(): void {
    if (!this.#paused || this.#turn || this.#gate.size > 0) return
    const onQuiet = this.#onQuiet
    this.#onQuiet = undefined
    onQuiet?.()
  }
}

function timeout(message: string): AriesError {
  return new AriesError('ARIES_E_TIMEOUT', message)
}

function outcomeUnknown(name: string): AriesError {
  return new AriesError(
    'ARIES_E_OUTCOME_UNKNOWN',
    `the store failed while a change of ${name} was committed`,
  )
}
