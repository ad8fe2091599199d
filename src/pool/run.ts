import type { AriesError } from '../errors.ts'
import type { TaskAnswer, TaskCall } from './exchange.ts'

type AbortListener = () => void

/**
 * One task on its way. It is its own abort signal for piscina, which asks for no more than the two
 * listener methods: an `AbortController` and its events per request would cost more than the rest.
 */
export class TaskRun {
  readonly call: TaskCall
  readonly result: Promise<TaskAnswer>
  readonly settle: (reply: TaskAnswer) => void
  readonly fail: (error: AriesError) => void
  /** Of the thread that it runs in; 0 while it waits. */
  threadId = 0
  deadlineMs = Number.POSITIVE_INFINITY
  /** Samples in a row in which its thread was above the memory limit. */
  samplesAbove = 0
  aborted = false
  reason: AriesError | undefined
  #listener: AbortListener | undefined

  constructor(call: TaskCall) {
    this.call = call
    const { promise, resolve, reject } = Promise.withResolvers<TaskAnswer>()
    this.result = promise
    this.settle = resolve
    this.fail = reject
  }

  addEventListener(_name: 'abort', listener: AbortListener): void {
    this.#listener = listener
  }

  removeEventListener(): void {
    this.#listener = undefined
  }

  /** Ends it, with its thread when it has one. */
  stop(reason: AriesError): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#listener?.()
  }
}
