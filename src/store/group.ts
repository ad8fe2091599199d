import { AriesError } from '../errors.ts'

export interface GroupComponents<Job, Result> {
  /** Does all jobs at once; one result per job, in order. Its rejection is that of every job. */
  run(jobs: readonly Job[]): Promise<readonly Result[]>
  /** What the job adds to a run, in the unit of `weightMax`. */
  weigh(job: Job): number
}

export interface GroupInit {
  /** A run takes jobs until it weighs more: others that share the store get their turn. */
  readonly weightMax: number
}

interface Waiting<Job, Result> {
  readonly job: Job
  resolve(result: Result): void
  reject(error: unknown): void
}

/**
 * Group commit: while one run is under way, further jobs gather and go together in the next. The
 * price of a run (an fsync, a round trip) is shared by all who came during the one before, so the
 * group grows with the load by itself and a lone job waits for nobody.
 */
export class Group<Job, Result> {
  readonly #components: GroupComponents<Job, Result>
  readonly #weightMax: number
  #waiting: Waiting<Job, Result>[] = []
  #running = false
  #closed = false
  #idle: (() => void) | undefined

  constructor(components: GroupComponents<Job, Result>, init: GroupInit) {
    this.#components = components
    this.#weightMax = init.weightMax
  }

  /** `gathered`: whoever adds it has waited for what else there is; the run begins at once. */
  add(job: Job, gathered = false): Promise<Result> {
    if (this.#closed) {
      return Promise.reject(new AriesError('ARIES_E_STORE', 'the store is closed'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      if (this.#running) return
      this.#running = true
      // Not at once: what this round of the event loop still brings shares the first run.
      if (gathered) queueMicrotask(() => void this.#drain())
      else setImmediate(() => void this.#drain())
    })
  }

  /** Takes no more jobs; resolves when those taken are done. */
  async close(): Promise<void> {
    this.#closed = true
    if (!this.#running) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
    })
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runOnce(this.#take())
    this.#running = false
    this.#idle?.()
  }

  #take(): Waiting<Job, Result>[] {
    let weight = 0
    let count = 0
    for (const { job } of this.#waiting) {
      weight += this.#components.weigh(job)
      if (count > 0 && weight > this.#weightMax) break
      count++
    }
    if (count < this.#waiting.length) return this.#waiting.splice(0, count)
    const all = this.#waiting
    this.#waiting = []
    return all
  }

  async #runOnce(taken: readonly Waiting<Job, Result>[]): Promise<void> {
    try {
      const results = await this.#components.run(taken.map(({ job }) => job))
      for (const [i, { resolve }] of taken.entries()) resolve(results[i]!)
    } catch (error) {
      for (const { reject } of taken) reject(error)
    }
  }
}
