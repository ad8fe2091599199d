import type { Entry } from './member-table.ts'

/**
 * The members under suspicion, and when suspicions become verdicts. Those whose time comes within
 * `cutMs` of each other do so together (Rapid's cut): who acts on deaths sees all of a rack at once
 * and gives the work of the first to none of the others.
 */
export class Suspects {
  readonly #cutMs: number
  readonly #entries = new Set<Entry>()

  constructor(init: { cutMs: number }) {
    this.#cutMs = init.cutMs
  }

  /** Keeps `entry` for as long as it is under suspicion. */
  note(entry: Entry): void {
    if (entry.suspicion) this.#entries.add(entry)
    else this.#entries.delete(entry)
  }

  values(): Iterable<Entry> {
    return this.#entries
  }

  /** When the next verdicts are due; Infinity while nobody is under suspicion. */
  cutAtMs(): number {
    let firstMs = Number.POSITIVE_INFINITY
    for (const { suspicion } of this.#entries) firstMs = Math.min(firstMs, suspicion!.deadlineMs)
    let cutMs = firstMs
    for (const { suspicion } of this.#entries) {
      const { deadlineMs } = suspicion!
      if (deadlineMs <= firstMs + this.#cutMs) cutMs = Math.max(cutMs, deadlineMs)
    }
    return cutMs
  }

  due(nowMs: number): Entry[] {
    if (this.cutAtMs() > nowMs) return []
    return [...this.#entries].filter(({ suspicion }) => suspicion!.deadlineMs <= nowMs)
  }
}
