/**
 * What the control loop knows of the workers in its host: the host tells what has changed, here
 * the rest is kept. Nothing in here is done for all of them at each report or round.
 */
import type { WorkerFigures } from '../host/ipc.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'

interface Heard {
  readonly figures: WorkerFigures
  readonly atMs: number
}

export class WorkerPicture {
  readonly #nowMs: () => number
  readonly #heard = new Map<string, Heard>()
  /** Those that use something besides memory. */
  readonly #busy = new Set<string>()
  /** Where the next look at the idle ones begins. */
  #turn: Iterator<string> | undefined

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  hear(changed: readonly WorkerFigures[]): void {
    const atMs = this.#nowMs()
    for (const figures of changed) {
      const name = formatWorkerId(figures)
      this.#heard.set(name, { figures, atMs })
      if (isBusy(figures)) this.#busy.add(name)
      else this.#busy.delete(name)
    }
  }

  gone(id: WorkerId): void {
    const name = formatWorkerId(id)
    this.#heard.delete(name)
    this.#busy.delete(name)
  }

  clear(): void {
    this.#heard.clear()
    this.#busy.clear()
  }

  get(name: string): WorkerFigures | undefined {
    const heard = this.#heard.get(name)
    if (!heard) return undefined
    const { figures, atMs } = heard
    return { ...figures, ageMs: figures.ageMs + Math.round(this.#nowMs() - atMs) }
  }

  *all(): IterableIterator<WorkerFigures> {
    for (const name of this.#heard.keys()) yield this.get(name)!
  }

  /** All that are busy, and `idleMax` of the others: other ones each time. */
  sample(idleMax: number): WorkerFigures[] {
    const found = Array.from(this.#busy, (name) => this.get(name)!)
    let left = Math.min(idleMax, this.#heard.size - this.#busy.size)
    // One look more than there are workers: the end counts as one.
    for (let looked = 0; left > 0 && looked <= this.#heard.size; looked++) {
      const name = this.#next()
      if (name === undefined || this.#busy.has(name)) continue
      found.push(this.get(name)!)
      left--
    }
    return found
  }

  #next(): string | undefined {
    this.#turn ??= this.#heard.keys()
    const { value, done } = this.#turn.next()
    if (done) this.#turn = undefined
    return value as string | undefined
  }
}

function isBusy(figures: WorkerFigures): boolean {
  const { cpuShare, requestsPerSecond, queued, sessions } = figures
  return cpuShare > 0 || requestsPerSecond > 0 || queued > 0 || sessions > 0
}
