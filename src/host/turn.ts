import { AsyncLocalStorage } from 'node:async_hooks'
import type { Mail } from './mailbox.ts'

/** Failures of a turn that the author's code did not cause. */
export const NOT_THE_WORKERS: ReadonlySet<string> = new Set([
  'ARIES_E_TIMEOUT',
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_STORE',
  'ARIES_E_KEY_REUSED',
  'ARIES_E_REPLY_TOO_LARGE',
  'ARIES_E_MIGRATE_FAILED',
  'ARIES_E_STATE_TOO_LARGE',
  'ARIES_E_CALL_UNKNOWN',
  'ARIES_E_ANSWER_TOO_LARGE',
])

/** Something that a turn says besides its result, e.g. a message to a session. */
export interface Output {
  /** The turn is committed. */
  release(): void
  /** The turn threw. */
  undo(): void
}

/** One run of a worker's code. */
export class Turn {
  readonly mail: Mail
  /** `formatWorkerId` of the worker. */
  readonly worker: string
  readonly startedMs: number
  /** Others may run at the same time; it changes and sends nothing. */
  readonly isRead: boolean
  readonly outputs: Output[] = []
  /** Its changes include those of the worker's `start`. */
  starts = false
  /** Its changes include those of the class's `migrate`. */
  migrates = false
  /** Its result is known: what its code does from now on it does outside the turn. */
  over = false
  /** Its code may still be running, but counts no more. */
  givenUp = false

  constructor(mail: Mail, worker: string, startedMs: number, isRead: boolean) {
    this.isRead = isRead
    this.mail = mail
    this.worker = worker
    this.startedMs = startedMs
  }

  /** Takes back what it wanted to say. */
  undo(): void {
    for (const output of this.outputs.splice(0)) output.undo()
  }
}

/** The turn that the code at hand was begun by, also after it awaited. */
export const currentTurn: AsyncLocalStorage<Turn> = new AsyncLocalStorage()

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === 'function'
}
