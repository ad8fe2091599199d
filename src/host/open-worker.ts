/**
 * A worker that is open in this host. It takes its mail one piece at a time; each is a turn. A turn
 * that changed the state makes a commit record; what the turn wants to say (its result, its
 * outputs) waits in the gate until everything before it is durable.
 *
 * The next turn may run while a commit is under way. When a commit is refused, or nobody knows
 * whether it was applied, the memory here is worth nothing: the worker is dropped whole.
 */
import type { ClassConfig } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Changes, SectionState } from '../worker/state.ts'
import type { StopReason, WorkerClass } from '../worker/worker.ts'
import { type CallAnswer, type MakeCall, workersBy } from '../worker/workers.ts'
import type { Clock } from '../world.ts'
import { AlarmClock } from './alarm-clock.ts'
import type { Committer } from './committer.ts'
import { frozen, isFrozen } from './freeze.ts'
import type { Held } from './gate.ts'
import { LiveInstance } from './live-instance.ts'
import { type Mail, Mailbox } from './mailbox.ts'
import { type HostWork, WorkerMeter } from './meter.ts'
import { versionOf } from './migrate.ts'
import type { Replies } from './replies.ts'
import { RunningTurns } from './running-turns.ts'
import { SessionSet } from './session-set.ts'
import { currentTurn, isPromise, type Output, Turn } from './turn.ts'
import { type Tail, TurnCommits } from './turn-commits.ts'
import { endRead, endTurn } from './turn-end.ts'

/** How long turns run before the event loop gets its turn. */
const SLICE_MS = 2

export interface OpenWorkerInit {
  readonly id: WorkerId
  readonly node: string
  readonly epoch: number
  readonly seq: number
  readonly sections: Iterable<readonly [string, Uint8Array]>
  readonly config: ClassConfig
  /** For development: see `StateGuard`. */
  readonly freezeState: boolean
  /** Version of the class that wrote the state; 0: nothing was written. */
  readonly version: number
  /** It wakes, or is moved in its sleep: its instance is made when mail comes. */
  readonly asleep?: boolean
  /** What `migrate` has changed in `sections` already and the store has not: the first record. */
  readonly migrated?: Changes | undefined
}

export interface OpenWorkerComponents {
  readonly workerClass: WorkerClass
  readonly committer: Committer
  readonly clock: Clock
  readonly log: Logger
  readonly work: HostWork
  /** There is mail for the worker of that name. */
  readonly onMail: (name: string) => void
  /** Takes a call of the worker to another one. */
  readonly call: (from: OpenWorker, ...call: Parameters<MakeCall>) => Promise<CallAnswer>
  /** The worker dropped itself: it must be forgotten. */
  readonly onDropped: (worker: OpenWorker, why: 'fenced' | 'store') => void
}

export class OpenWorker {
  readonly id: WorkerId
  readonly name: string
  readonly node: string
  readonly mailbox: Mailbox
  readonly sessions = new SessionSet()
  readonly meter: WorkerMeter
  readonly running = new RunningTurns()
  /** When the last turn ended. */
  turnEndedMs: number
  /** Hears why the worker was dropped: the move that is under way. */
  onLost: ((why: string) => void) | undefined
  /** What its state lies in was given to a connection, which may have it yet. */
  lent = false
  /** Its instance is told that it stops: `resume` makes another. */
  stopped = false
  readonly #c: OpenWorkerComponents
  readonly #instance: LiveInstance
  readonly #commits: TurnCommits
  readonly #alarm: AlarmClock
  #config: ClassConfig
  #paused = false
  /** Until then what waited could not be run. */
  #thawedMs = 0
  #scheduled = false
  #onQuiet: (() => void) | undefined

  constructor(components: OpenWorkerComponents, init: OpenWorkerInit) {
    const { id, node } = init
    const { workerClass } = components
    this.#c = components
    this.id = id
    this.name = formatWorkerId(id)
    this.node = node
    this.#config = init.config
    this.mailbox = new Mailbox(init.config.queueMax)
    this.meter = new WorkerMeter(components)
    this.turnEndedMs = this.meter.openedMs
    const { name } = this
    this.#commits = new TurnCommits(
      {
        ...components,
        onCommitted: () => this.#checkQuiet(),
        onFailed: (why, unknownSeq) => this.drop(why, unknownSeq),
      },
      { ...init, name, classVersion: versionOf(workerClass), durability: workerClass.durability },
    )
    const context = {
      key: id.key,
      className: id.class,
      node,
      webSockets: this.sessions.webSockets,
      tcpSockets: this.sessions.tcpSockets,
      workers: workersBy((...call) => components.call(this, ...call)),
    }
    if (init.migrated) this.#commits.submit(init.migrated, true, true)
    const own = { name, context, version: this.#commits.version }
    this.#instance = new LiveInstance(components, { asleep: false, ...init, ...own })
    this.#alarm = new AlarmClock(
      { ...components, state: () => this.state, offer: (mail) => this.offer(mail, true) },
      name,
    )
    // The first turn does it else; when it is moved in its sleep, and stays after all, none comes.
    if (init.asleep) this.#alarm.arm()
  }

  get epoch(): number {
    return this.#commits.epoch
  }

  /** Number of the last turn that changed the state. */
  get seq(): number {
    return this.#commits.seq
  }

  /** Version of the class that wrote the state; 0: nothing was written. */
  get version(): number {
    return this.#commits.version
  }

  /** Number of the last turn that is known to be durable. */
  get committedSeq(): number {
    return this.#commits.committedSeq
  }

  get state(): SectionState {
    return this.#instance.state
  }

  /** Replies by `Idempotency-Key`; another object when a turn was given up. */
  get replies(): Replies {
    return this.#instance.replies
  }

  get dropped(): boolean {
    return this.#commits.dropped
  }

  /** Hears of each turn that changed the state: the tail of a move. */
  set tail(tail: Tail | undefined) {
    this.#commits.tail = tail
  }

  /** Hears the same: the feed of its standby. */
  set feed(feed: Tail | undefined) {
    this.#commits.feed = feed
  }

  get frozen(): boolean {
    return isFrozen(this.state)
  }

  /** Waiting, running, or done and not yet committed. */
  get load(): number {
    return this.mailbox.size + this.#commits.size + this.running.size
  }

  /** How long the turn that runs has run; of reads together the longest. 0: none does. */
  get turnMs(): number {
    return this.running.longestMs(this.#c.clock.nowMs())
  }

  /** Nothing happens with it: no turn, no session, nothing to commit, no move. */
  get isIdle(): boolean {
    return !this.#paused && this.isFree
  }

  /** As `isIdle`, though its mailbox may be closed. */
  get isFree(): boolean {
    const isHeld = this.frozen || this.onLost !== undefined || this.#commits.isFollowed
    return !isHeld && this.load === 0 && this.#commits.settled && this.sessions.size === 0
  }

  /** How long it may be idle before it falls asleep, milliseconds; 0: for ever. */
  get sleepAfterMs(): number {
    return this.#config.sleepAfterMs
  }

  /** Whether the instance wants to be told before it is let go of. */
  get stops(): boolean {
    return this.#instance.stops
  }

  /** Whether the class has handlers for such sessions. */
  takes(sessions: 'webSocket' | 'tcp'): boolean {
    return this.#instance.takes(sessions)
  }

  /** The options of its class changed. */
  configure(config: ClassConfig): void {
    this.#config = config
    this.mailbox.sizeMax = config.queueMax
  }

  /** False when the queue is full; see `Mailbox.push`. A frozen worker refuses what does not wait. */
  offer(mail: Mail, always = false): boolean {
    if (mail.whenFrozen === undefined && this.frozen) {
      mail.fail(frozen(this.name))
      return true
    }
    if (!this.mailbox.push(mail, always)) return false
    this.#c.onMail(this.name)
    if (!this.running.alone && !this.#paused && !this.#scheduled) this.#pump()
    return true
  }

  /** What the running turn wants to send; it leaves with the commit. Throws outside a turn. */
  output(output: Output): void {
    if (currentTurn.getStore()?.givenUp) throw timeout(`the turn of ${this.name} was given up`)
    this.running.output(output)
  }

  /** Resolves when every turn before the one that runs is durable; rejects when they will not be. */
  durable(): Promise<void> | undefined {
    return this.#commits.durable()
  }

  /** Closes the mailbox (mail still queues) and calls back when no turn runs and all is committed. */
  pause(onQuiet: () => void): void {
    this.#paused = true
    this.#onQuiet = onQuiet
    this.#checkQuiet()
  }

  /** Opens the mailbox again; under a new epoch when a move was given up after its fence. */
  resume(epoch = this.epoch): void {
    this.#commits.epoch = epoch
    this.#paused = false
    if (this.stopped) this.#instance.replace()
    this.stopped = false
    this.#onQuiet = undefined
    this.#pump()
  }

  /** The worker is no longer here. Returns the mail that waited. */
  retire(): Mail[] {
    this.#commits.dropped = true
    this.tail = undefined
    this.feed = undefined
    this.#alarm.stop()
    return this.mailbox.takeAll()
  }

  /** Tells the instance, outside any turn, that it has left. */
  stopInstance(reason: StopReason): Promise<void> {
    return this.#instance.stop(reason)
  }

  /** Everything that was not committed is turned away; see the head of the file and `onFailed`. */
  drop(why: 'fenced' | 'store', unknownSeq?: number): void {
    if (this.dropped) return
    const waiting = this.retire()
    const error = new AriesError('ARIES_E_NOT_OWNER', `${this.name} is not here any more`)
    const running = this.running.takeAll()
    this.#commits.turnAway(error, unknownSeq)
    for (const mail of [...running.map((turn) => turn.mail), ...waiting]) mail.fail(error)
    this.onLost?.(why)
    this.#c.onDropped(this, why)
    // Who waits for it to be quiet would wait for ever.
    this.#checkQuiet()
  }

  /** Ends a turn that takes too long: its instance is replaced, since it may still be running. */
  expire(): void {
    const limitMs = this.#config.requestTimeoutMs
    const nowMs = this.#c.clock.nowMs()
    const late = this.running.begunBefore(nowMs - limitMs)
    if (late.length > 0) {
      this.#c.log.warn({ worker: this.name, limitMs }, 'turn took too long, it is undone')
      this.#instance.replace()
      const error = timeout(`a turn of ${this.name} took over ${limitMs} ms`)
      for (const turn of late) {
        turn.givenUp = true
        this.#finish(turn, undefined, error)
      }
      this.#pump()
    }
    this.#commits.expire(nowMs - 2 * limitMs)
    const beforeMs = nowMs - limitMs
    if (this.frozen || this.#thawedMs > beforeMs) return
    for (const mail of this.mailbox.takeOlder(beforeMs)) {
      mail.fail(timeout(`it waited over ${limitMs} ms for ${this.name}`))
    }
  }

  #pump(): void {
    if (this.#scheduled) return
    const untilMs = this.#c.clock.nowMs() + SLICE_MS
    while (!this.#paused && !this.dropped) {
      const mail = this.frozen ? this.mailbox.peekFrozen() : this.mailbox.peek()
      if (!mail || !this.running.mayBegin(this.#isRead(mail), this.#config.readsMax)) return
      this.mailbox.take(mail)
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

  #isRead(mail: Mail): boolean {
    return this.#config.readsMax > 1 && mail.isRead === true && this.#instance.started
  }

  #run(mail: Mail): void {
    const turn = new Turn(mail, this.name, this.#c.clock.nowMs(), this.#isRead(mail))
    this.running.begin(turn)
    this.meter.begins()
    try {
      const result = currentTurn.run(turn, () => this.#instance.run(turn))
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

  /** An asynchronous turn came to its end; unless it was given up before. */
  #settled(turn: Turn, value: unknown, thrown: unknown): void {
    if (!this.running.has(turn)) return
    this.#finish(turn, value, thrown)
    this.#pump()
  }

  #finish(turn: Turn, value: unknown, thrown: unknown): void {
    turn.over = true
    this.turnEndedMs = this.#c.clock.nowMs()
    this.meter.turned()
    const failed = thrown ?? turn.mail.fault?.(value)
    const error = failed === undefined ? undefined : this.#instance.failure(failed)
    const held = this.#end(turn, error)
    this.#commits.hold({ mail: turn.mail, outputs: turn.outputs, value, ...held })
    this.#alarm.arm()
    if (turn.mail.whenFrozen === 'runs') this.#frozenOrThawed()
    this.#checkQuiet()
  }

  #frozenOrThawed(): void {
    this.#thawedMs = this.#c.clock.nowMs()
    if (!this.frozen) return
    for (const mail of this.mailbox.takeImpatient()) mail.fail(frozen(this.name))
  }

  #end(turn: Turn, failure: AriesError | undefined): Pick<Held, 'error' | 'ownSeq'> {
    this.running.end(turn)
    const { stateBytesMax } = this.#config
    const parts = { instance: this.#instance, commits: this.#commits, stateBytesMax }
    if (!turn.isRead) return endTurn(turn, failure, parts)
    return endRead(this.running.size === 0, failure, parts)
  }

  #checkQuiet(): void {
    if (!this.#paused || this.running.size > 0 || this.#commits.size > 0) return
    const onQuiet = this.#onQuiet
    this.#onQuiet = undefined
    onQuiet?.()
  }
}

function timeout(message: string): AriesError {
  return new AriesError('ARIES_E_TIMEOUT', message)
}
