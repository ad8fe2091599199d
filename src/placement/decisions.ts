/**
 * What was decided and why, kept to be explained: the last decision about each worker, up to a
 * bound, the longest untouched going first.
 */
import type { Decision } from './types.ts'

export class Decisions {
  readonly #workersMax: number
  /** In the order of recording, oldest first. */
  readonly #workers = new Map<string, Decision>()

  constructor(init: { readonly workersMax: number }) {
    this.#workersMax = init.workersMax
  }

  record(decision: Decision): void {
    this.#workers.delete(decision.subject)
    this.#workers.set(decision.subject, decision)
    if (this.#workers.size > this.#workersMax) {
      const [oldest] = this.#workers.keys()
      this.#workers.delete(oldest!)
    }
  }

  /** The last decision about a worker (`class/key`). */
  last(subject: string): Decision | undefined {
    return this.#workers.get(subject)
  }
}
