import type { Clock } from '../world.ts'
import { Agenda } from './agenda.ts'
import type { OpenWorker } from './open-worker.ts'

export interface SleepWatchComponents {
  readonly clock: Clock
  /** The worker of that name, if it is awake. */
  readonly awake: (name: string) => OpenWorker | undefined
  /** It has done nothing for its time. */
  readonly fallAsleep: (worker: OpenWorker) => void
}

/** Watches for workers that have done nothing for as long as their class says. */
export class SleepWatch {
  readonly #c: SleepWatchComponents
  readonly #agenda: Agenda<string>
  /** When each is looked at next: one look is due for each worker. */
  readonly #dueMs = new Map<string, number>()

  constructor(components: SleepWatchComponents) {
    this.#c = components
    this.#agenda = new Agenda(components, {
      nowMs: components.clock.nowMs,
      due: (name, dueMs) => this.#look(name, dueMs),
    })
  }

  /** The worker is awake now, or its options have changed. */
  watch({ name, sleepAfterMs }: OpenWorker): void {
    if (sleepAfterMs > 0) this.#lookAt(name, this.#c.clock.nowMs() + sleepAfterMs)
  }

  stop(): void {
    this.#agenda.clear()
  }

  #lookAt(name: string, dueMs: number): void {
    const before = this.#dueMs.get(name)
    if (before !== undefined && before <= dueMs) return
    this.#dueMs.set(name, dueMs)
    this.#agenda.add(dueMs, name)
  }

  #look(name: string, dueMs: number): void {
    // Else an earlier look took its place.
    if (this.#dueMs.get(name) !== dueMs) return
    this.#dueMs.delete(name)
    const worker = this.#c.awake(name)
    if (!worker || worker.sleepAfterMs === 0) return
    const nowMs = this.#c.clock.nowMs()
    const sinceMs = worker.isIdle ? worker.turnEndedMs : nowMs
    const nextMs = sinceMs + worker.sleepAfterMs
    // It is looked at again if it falls asleep, too: while it stops something may come.
    this.#lookAt(name, nextMs > nowMs ? nextMs : nowMs + worker.sleepAfterMs)
    if (nextMs <= nowMs) this.#c.fallAsleep(worker)
  }
}
