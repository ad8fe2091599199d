/**
 * What was decided and why, kept to be explained. Complete for workers: the last decision of each,
 * up to a bound, the longest untouched going first. A sample for requests: the last few.
 */
import type { Decision } from './types.ts'

export class Decisions {
  readonly #workersMax: number
  readonly #requestsMax: number
  /** In the order of recording, oldest first. */
  readonly #workers = new Map<string, Decision>()
  readonly #requests: Decision[] = []
  #next = 0

  constructor(init: { readonly workersMax: number; readonly requestsMax: number }) {
    this.#workersMax = init.workersMax
    this.#requestsMax = init.requestsMax
  }

  record(decision: Decision): void {
    if (decision.why === 'request') {
      this.#requests[this.#next] = decision
      this.#next = (this.#next + 1) % this.#requestsMax
      return
    }
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

  /** The sampled decisions about requests, oldest first. */
  requests(): Decision[] {
    return [...this.#requests.slice(this.#next), ...this.#requests.slice(0, this.#next)]
  }

  /** The worker is no longer here: its new owner knows why. */
  forget(subject: string): void {
    this.#workers.delete(subject)
  }
}
