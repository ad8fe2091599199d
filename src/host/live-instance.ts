/** The author's object of one open worker, with the state that it works on. */
import { AriesError, toAriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { CallError } from '../worker/call-error.ts'
import { type Changes, SectionState } from '../worker/state.ts'
import { FROZEN_HINT, isFrozenChange, StateGuard } from '../worker/state-guard.ts'
import type { StopReason, Worker, WorkerClass, WorkerContext } from '../worker/worker.ts'
import { alarmSetting } from './alarm-clock.ts'
import { isOutdated, migrate } from './migrate.ts'
import { Replies } from './replies.ts'
import { isPromise, NOT_THE_WORKERS, type Turn } from './turn.ts'

export interface LiveInstanceComponents {
  readonly workerClass: WorkerClass
  readonly log: Logger
}

export interface LiveInstanceInit {
  readonly name: string
  readonly context: Omit<WorkerContext, 'state' | 'alarm'>
  readonly sections: Iterable<readonly [string, Uint8Array]>
  /** Version of the class that wrote the sections; 0: nothing was written. */
  readonly version: number
  /** The author's object is made when it is needed. */
  readonly asleep: boolean
  /** For development: see `StateGuard`. */
  readonly freezeState: boolean
}

export class LiveInstance {
  readonly #c: LiveInstanceComponents
  readonly #name: string
  readonly #context: LiveInstanceInit['context']
  readonly #freezeState: boolean
  #state: SectionState
  #replies: Replies
  #worker: Worker | undefined
  #started = false
  /** The version that the state is still of, when `migrate` must come first. */
  #outdated: number | undefined

  constructor(components: LiveInstanceComponents, init: LiveInstanceInit) {
    this.#c = components
    this.#name = init.name
    this.#context = init.context
    this.#freezeState = init.freezeState
    this.#state = this.#stateOf(init.sections)
    this.#replies = new Replies(this.#state, components.workerClass.idempotency)
    if (!init.asleep) this.#worker = this.#create()
    const { version } = init
    this.#outdated = isOutdated(version, components.workerClass) ? version : undefined
  }

  get state(): SectionState {
    return this.#state
  }

  /** Replies by `Idempotency-Key`; another object when a turn was given up. */
  get replies(): Replies {
    return this.#replies
  }

  takes(sessions: 'webSocket' | 'tcp'): boolean {
    try {
      const { webSocketOpen, webSocketMessage, tcpOpen, tcpData } = this.#live
      if (sessions === 'tcp') return (tcpOpen ?? tcpData) !== undefined
      return (webSocketOpen ?? webSocketMessage) !== undefined
    } catch {
      // What its constructor throws is told in the turn.
      return true
    }
  }

  /** Whether it wants to be told before it is let go of. */
  get stops(): boolean {
    return this.#started && this.#worker?.stop !== undefined
  }

  /** Whether `start` was called: before that nothing may run together. */
  get started(): boolean {
    return this.#started
  }

  /** Begins a turn: calls the author's code, `migrate` and `start` before anything else. */
  run(turn: Turn): unknown {
    if (turn.isRead) this.#state.beginRead()
    else this.#state.beginTurn()
    const live = this.#live
    if (this.#started || turn.mail.whenFrozen === 'runs') return turn.mail.run(live)
    if (this.#outdated === undefined) return this.#startThenRun(turn)
    turn.migrates = true
    const { workerClass } = this.#c
    const migrating = migrate(this.#state, this.#outdated, { name: this.#name, workerClass })
    return isPromise(migrating)
      ? migrating.then(() => this.#startThenRun(turn))
      : this.#startThenRun(turn)
  }

  /** The turn counts: gives what it changed. Throws when that cannot be encoded: `undo` it. */
  endTurn(turn: Turn, stateBytesMax: number): Changes {
    const changes = this.#state.endTurn(stateBytesMax)
    if (turn.migrates) this.#outdated = undefined
    this.#replies.turnEnded(true)
    return changes
  }

  /** The turn does not count: undoes what it changed and takes back what it wanted to say. */
  undo(turn: Turn): void {
    this.#state.rollBack()
    this.#replies.turnEnded(false)
    turn.undo()
    if (turn.starts) this.#started = false
  }

  /** A read is over; `last`: no other runs. Throws when the guard finds a change. */
  endRead(threw: boolean, last: boolean): void {
    this.#state.endRead(threw, last)
  }

  /** Puts another object in its place, since this one may still be running; undoes its turn. */
  replace(): void {
    this.#state.rollBack()
    this.#state = this.#stateOf(this.#state.sections)
    this.#replies = new Replies(this.#state, this.#c.workerClass.idempotency)
    // Made by the turn that needs it: one that cannot be made fails that turn alone.
    this.#worker = undefined
    this.#started = false
  }

  /** Tells it, outside any turn, that it has left. */
  async stop(reason: StopReason): Promise<void> {
    if (!this.#started) return
    try {
      await this.#worker?.stop?.(reason)
    } catch (error) {
      this.#c.log.warn({ err: error, worker: this.#name }, 'stop threw')
    }
  }

  /** What whoever asked hears of what the author's code threw. */
  failure(thrown: unknown): AriesError {
    const isCall = thrown instanceof CallError
    const isOurs = thrown instanceof AriesError && !isCall && NOT_THE_WORKERS.has(thrown.code)
    if (isOurs && thrown.code !== 'ARIES_E_MIGRATE_FAILED') return thrown
    const hint = this.#freezeState && isFrozenChange(thrown) ? FROZEN_HINT : undefined
    this.#c.log.warn({ err: thrown, worker: this.#name, hint }, 'worker threw')
    if (isOurs) return thrown
    const { message } = toAriesError(thrown)
    const words = hint === undefined ? message : `${message}; ${hint}`
    return new AriesError('ARIES_E_WORKER_FAILED', `${this.#name}: ${words}`)
  }

  #stateOf(sections: LiveInstanceInit['sections']): SectionState {
    return new SectionState(sections, this.#freezeState ? new StateGuard() : undefined)
  }

  get #live(): Worker {
    this.#worker ??= this.#create()
    return this.#worker
  }

  #create(): Worker {
    const state = this.#state
    return new this.#c.workerClass({ ...this.#context, state, alarm: alarmSetting(state) })
  }

  #startThenRun(turn: Turn): unknown {
    mustCount(turn)
    const worker = this.#live
    turn.starts = true
    const starting = worker.start?.()
    if (!isPromise(starting)) {
      this.#started = true
      return turn.mail.run(worker)
    }
    return starting.then(() => {
      mustCount(turn)
      if (this.#worker === worker) this.#started = true
      return turn.mail.run(worker)
    })
  }
}

/** What was waited for came too late: the instance and its state are those of other turns. */
function mustCount({ givenUp, worker }: Turn): void {
  if (givenUp) throw new AriesError('ARIES_E_TIMEOUT', `a turn of ${worker} was given up`)
}
