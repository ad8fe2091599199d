import { AriesError } from '../errors.ts'
import type { WorkerSocket } from './socket.ts'
import type { State } from './state.ts'
import type { WorkerTcpSocket } from './tcp-socket.ts'
import type { Workers } from './workers.ts'

/** The last time that a `Date` can be. */
const ALARM_MS_MAX = 8.64e15

/** Why a worker stops on this node. Its state lives on, except its fields, which do not move. */
export type StopReason = 'moved' | 'closed' | 'asleep'

/**
 * `strict`: what a turn says leaves when the turn is committed; nothing that was answered is ever
 * lost. `relaxed`: it leaves at once, the commit follows; a crash of the node or of the host process
 * loses the last moments, though they were answered. See docs/reference/worker.md.
 */
export type Durability = 'strict' | 'relaxed'

/** The one alarm of a worker; `set` throws outside a turn. */
export interface AlarmSetting {
  get(): number | null
  set(atMs: number | null): void
}

/** What the host gives to a new instance. */
export interface WorkerContext<S extends object = Record<string, unknown>> {
  readonly key: string
  readonly className: string
  readonly node: string
  readonly state: State<S>
  readonly webSockets: Iterable<WorkerSocket> & { readonly size: number }
  readonly tcpSockets: Iterable<WorkerTcpSocket> & { readonly size: number }
  readonly workers: Workers
  readonly alarm: AlarmSetting
}

/**
 * A long-lived stateful unit, named by class and key. One event at a time, in order: a turn. What
 * a turn changed in `state` commits as one record; responses and messages leave after the commit.
 * A turn that throws changes and sends nothing.
 */
export abstract class Worker<S extends object = Record<string, unknown>> {
  /** How many replies are kept by `Idempotency-Key`, and how long; see `IdempotencyLimits`. */
  static readonly idempotency: IdempotencyLimits = {}
  /** When answers leave. */
  static readonly durability: Durability = 'strict'
  /**
   * Version of what the class keeps in `state`: a whole number from 1. Raise it together with
   * `migrate` when older code must not meet the new state; older code never opens it.
   */
  static readonly version: number = 1
  /**
   * Brings a state that version `from` of the class wrote to `version`, as in a turn: what it
   * changes counts whole or, when it throws, not at all. Called before anything else of the class,
   * also before a worker moves to a host with newer code; it must have no other effect.
   */
  static readonly migrate?: Migrate

  readonly key: string
  readonly className: string
  /** The node that the worker lives on now. */
  readonly node: string
  readonly state: State<S>
  /** The open sessions. */
  readonly webSockets: Iterable<WorkerSocket> & { readonly size: number }
  /** The open raw connections. */
  readonly tcpSockets: Iterable<WorkerTcpSocket> & { readonly size: number }
  /** Other workers, to fetch from and to call. */
  readonly workers: Workers
  readonly #alarm: AlarmSetting

  constructor(context: WorkerContext<S>) {
    this.key = context.key
    this.className = context.className
    this.node = context.node
    this.state = context.state
    this.webSockets = context.webSockets
    this.tcpSockets = context.tcpSockets
    this.workers = context.workers
    this.#alarm = context.alarm
  }

  /**
   * Has `alarm` called as a turn at that time (milliseconds since 1970), or soon after; in place of
   * the alarm that was set before. `null`: never. Counts, as a change of state, at the end of the
   * turn. Throws outside a turn.
   */
  setAlarm(at: number | Date | null): void {
    const atMs = at === null ? null : Math.ceil(Number(at))
    if (atMs !== null && !(atMs >= 0 && atMs <= ALARM_MS_MAX)) {
      throw new AriesError('ARIES_E_WORKER_FAILED', `an alarm is a time, not ${String(at)}`)
    }
    if (atMs !== null && !this.alarm) {
      throw new AriesError('ARIES_E_WORKER_FAILED', `${this.className} has no method "alarm"`)
    }
    this.#alarm.set(atMs)
  }

  /** When the alarm is set to ring, milliseconds since 1970; `null` when there is none. */
  getAlarm(): number | null {
    return this.#alarm.get()
  }

  abstract fetch(request: Request): Response | Promise<Response>

  /** Called when the worker opens on a node: the first time, after a failover, after a move. */
  start?(): void | Promise<void>
  /**
   * Called when it leaves the node, and before it falls asleep: `start` of another instance is called
   * when it wakes. After a move the state can no longer be changed here.
   */
  stop?(reason: StopReason): void | Promise<void>
  /**
   * The time of the alarm, `at`, has come. When the turn is committed the alarm is no more, unless
   * the turn set another. When it throws it is called again: 1 s later, then 2 s, up to 60 s, ten
   * times.
   */
  alarm?(at: number): void | Promise<void>
  /** A client connected. Throw, or close the socket, to turn it away. */
  webSocketOpen?(ws: WorkerSocket, request: Request): void | Promise<void>
  webSocketMessage?(ws: WorkerSocket, message: string | Uint8Array): void | Promise<void>
  /** The client has gone. */
  webSocketClose?(ws: WorkerSocket, code: number, reason: string): void | Promise<void>
  /** A client connected to a TCP listener. Throw, or destroy the socket, to turn it away. */
  tcpOpen?(socket: WorkerTcpSocket): void | Promise<void>
  /** Bytes from the client, in order; where they are cut means nothing. */
  tcpData?(socket: WorkerTcpSocket, bytes: Uint8Array): void | Promise<void>
  /** The client has said all; it still listens. Without this method its socket is ended for it. */
  tcpEnd?(socket: WorkerTcpSocket): void | Promise<void>
  /** What made `write` answer false was taken. */
  tcpDrain?(socket: WorkerTcpSocket): void | Promise<void>
  /** The connection is over; `failed`: it was cut, not ended. */
  tcpClose?(socket: WorkerTcpSocket, failed: boolean): void | Promise<void>
}

/** For how many requests with an `Idempotency-Key` a worker keeps its reply, and for how long. */
export interface IdempotencyLimits {
  /** 1,000 by default; when there are more the oldest is let go. */
  readonly keysMax?: number
  /** Milliseconds; a day by default. */
  readonly ageMs?: number
}

/** Works on the state of a worker that is not open yet; see `Worker.migrate`. */
export type Migrate = (
  // biome-ignore lint/suspicious/noExplicitAny: what older code kept has no type in newer code
  state: State<any>,
  from: number,
) => void | Promise<void>

/** What the default export of a worker's module is. */
export interface WorkerClass {
  new (context: WorkerContext): Worker
  readonly idempotency?: IdempotencyLimits
  readonly durability?: Durability
  readonly version?: number
  readonly migrate?: Migrate
}
