import type { Worker } from '../worker/worker.ts'
import type { Mail } from './mailbox.ts'
import type { OpenWorker } from './open-worker.ts'

/** The first turn of an opened worker; `start` itself is called by whichever turn comes first. */
export class StartMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false

  constructor(arrivedMs: number) {
    this.arrivedMs = arrivedMs
  }

  run(): void {}
  succeed(): void {}
  /** Nobody waits; the next turn tries again. */
  fail(): void {}
  moved(): void {}
}

/** The last turn of a worker that is closed: what `stop` changes is committed. */
export class StopMail implements Mail {
  readonly arrivedMs: number
  readonly abandoned = false
  readonly #worker: OpenWorker
  readonly #done: () => void

  constructor(worker: OpenWorker, arrivedMs: number, done: () => void) {
    this.#worker = worker
    this.arrivedMs = arrivedMs
    this.#done = done
  }

  run(instance: Worker): unknown {
    // No turn comes after this one.
    this.#worker.pause(this.#done)
    return instance.stop?.('closed')
  }

  succeed(): void {}

  fail(): void {
    this.#done()
  }

  moved(): void {
    this.#done()
  }
}
