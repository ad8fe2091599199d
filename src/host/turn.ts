import type { Mail } from './mailbox.ts'

/** Failures of a turn that the author's code did not cause. */
export const NOT_THE_WORKERS: ReadonlySet<string> = new Set([
  'ARIES_E_TIMEOUT',
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_STORE',
  'ARIES_E_KEY_REUSED',
  'ARIES_E_REPLY_TOO_LARGE',
  'ARIES_E_MIGRATE_FAILED',
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
  readonly startedMs: number
  /** Others may run at the same time; it changes and sends nothing. */
  readonly isRead: boolean
  readonly outputs: Output[] = []
  /** Its changes include those of the worker's `start`. */
  starts = false
  /** Its changes include those of the class's `migrate`. */
  migrates = false

  constructor(mail: Mail, startedMs: number, isRead: boolean) {
    this.isRead = isRead
    this.mail = mail
    this.startedMs = startedMs
  }

  /** Takes back what it wanted to say. */
  undo(): void {
    for (const output of this.outputs.splice(0)) output.undo()
  }
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as Promise<unknown> | undefined)?.then === 'function'
}
