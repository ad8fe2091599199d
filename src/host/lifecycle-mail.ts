import { AriesError } from '../errors.ts'
import type { StopReason, Worker } from '../worker/worker.ts'
import type { Mail } from './mailbox.ts'
import type { OpenWorker } from './open-worker.ts'

/** The first turn of an opened worker; `start` itself is called by whichever turn comes first. */
export class StartMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false
  readonly #ended: (error?: AriesError) => void

  constructor(arrivedMs: number, ended: (error?: AriesError) => void) {
    this.arrivedMs = arrivedMs
    this.#ended = ended
  }

  run(): void {}

  succeed(): void {
    this.#ended()
  }

  /** The next turn tries again. */
  fail(error: AriesError): void {
    this.#ended(error)
  }

  /** It starts elsewhere: nothing is known of here. */
  moved(): void {
    this.#ended(new AriesError('ARIES_E_NOT_OWNER', 'it has moved'))
  }
}

/** The last turn of a worker that is closed or falls asleep: what `stop` changes is committed. */
export class StopMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false
  readonly #worker: OpenWorker
  readonly #reason: StopReason
  readonly #done: () => void
  #ran = false

  constructor(worker: OpenWorker, arrivedMs: number, reason: StopReason, done: () => void) {
    this.#worker = worker
    this.arrivedMs = arrivedMs
    this.#reason = reason
    this.#done = done
  }

  run(instance: Worker): unknown {
    this.#ran = true
    // No turn comes after this one; and it is done when all is committed, also if it throws.
    this.#worker.pause(this.#done)
    return instance.stop?.(this.#reason)
  }

  succeed(): void {}

  fail(): void {
    if (!this.#ran || this.#worker.dropped) this.#done()
  }

  moved(): void {
    this.#done()
  }
}

/** Has the instance stop, and calls back when it can be let go of; mail that comes wakes it. */
export function fallAsleep(worker: OpenWorker, nowMs: number, done: () => void): void {
  if (!worker.stops) {
    done()
    return
  }
  const stopped = (): void => {
    if (worker.dropped) return
    // Else mail came meanwhile, or a move began, which is not to find it gone.
    if (worker.isFree) done()
    else worker.resume()
  }
  worker.stopped = true
  worker.offer(new StopMail(worker, nowMs, 'asleep', stopped), true)
}
