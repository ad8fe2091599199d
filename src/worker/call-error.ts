import { AriesError, type ErrorCode } from '../errors.ts'

/**
 * Why a call to a worker failed: `code` says what became of it, `worker` whom it was for
 * (`class/key`). A turn that does not catch it has thrown like any other.
 */
export class CallError extends AriesError {
  readonly worker: string

  constructor(code: ErrorCode, worker: string, message: string, options?: { cause?: unknown }) {
    super(code, message, options)
    this.name = 'CallError'
    this.worker = worker
  }
}

/** What was thrown on the way of a call to `worker`, as its caller hears it. */
export function toCallError(thrown: unknown, worker: string): unknown {
  if (!(thrown instanceof AriesError) || thrown instanceof CallError) return thrown
  return new CallError(thrown.code, worker, thrown.message, { cause: thrown })
}
