import type { Random } from '../world.ts'
import type { Entry } from './member-table.ts'
import type { Members } from './members.ts'
import type { GossipTimes } from './presets.ts'

/**
 * The few members that hear our load from us directly, whatever the windows bring them: what they
 * know of us is as fresh as it gets. They are random, and one is replaced each time, so that everybody
 * has some of whom it knows more, and never the same for long.
 */
export class Pushes {
  readonly #random: Random
  readonly #members: Members
  readonly #times: GossipTimes
  #hearers: Entry[] = []
  #atMs = Number.POSITIVE_INFINITY

  constructor(components: { random: Random; members: Members }, init: { times: GossipTimes }) {
    this.#random = components.random
    this.#members = components.members
    this.#times = init.times
  }

  start(nowMs: number): void {
    this.#atMs = nowMs + this.#random.next() * this.#times.pushIntervalMs
  }

  /** By then at the latest: it is urgent. */
  hurry(atMs: number): void {
    this.#atMs = Math.min(this.#atMs, atMs)
  }

  get nextDeadlineMs(): number {
    return this.#atMs
  }

  /** Who is to hear it now. */
  tick(nowMs: number): readonly Entry[] {
    if (this.#atMs > nowMs) return []
    this.#atMs = nowMs + this.#times.pushIntervalMs
    const { pushFanout } = this.#times
    const known = this.#hearers.filter(({ state }) => state === 'alive')
    const isNew = (entry: Entry): boolean => entry.state === 'alive' && !known.includes(entry)
    const wanted = Math.max(1, pushFanout - known.length)
    // The one that has heard most goes; when there are no others they all stay.
    known.push(...this.#members.draw(this.#random, wanted, isNew))
    this.#hearers = known.slice(-pushFanout)
    return this.#hearers
  }
}
