/**
 * What was decided and why, kept to be explained: the last decisions about each worker, up to a
 * bound of workers, the longest untouched going first.
 */
import type { Decision } from './types.ts'

/** Candidates kept of a decision: in a large cluster most are excluded for the same few reasons. */
const CANDIDATES_MAX = 16

export interface DecisionsInit {
  readonly workersMax: number
  readonly perWorkerMax: number
}

export class Decisions {
  readonly #init: DecisionsInit
  /** Newest first; the workers in the order of recording, oldest first. */
  readonly #workers = new Map<string, readonly Decision[]>()

  constructor(init: DecisionsInit) {
    this.#init = init
  }

  record(decision: Decision): void {
    const { subject, candidates } = decision
    const { workersMax, perWorkerMax } = this.#init
    const kept = { ...decision, candidates: candidates.slice(0, CANDIDATES_MAX) }
    const before = this.#workers.get(subject) ?? []
    this.#workers.delete(subject)
    this.#workers.set(subject, [kept, ...before.slice(0, perWorkerMax - 1)])
    if (this.#workers.size > workersMax) {
      const [oldest] = this.#workers.keys()
      this.#workers.delete(oldest!)
    }
  }

  /** The last decisions about a worker (`class/key`), newest first. */
  last(subject: string): readonly Decision[] {
    return this.#workers.get(subject) ?? []
  }
}
