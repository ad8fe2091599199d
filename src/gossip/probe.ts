import type { Random } from '../world.ts'
import { randomInt, sample } from '../world.ts'
import type { Awareness } from './awareness.ts'
import type { GossipTimes } from './presets.ts'
import type { Reach } from './reach.ts'

/** One probe under way. */
export interface Flight {
  readonly seq: number
  readonly target: string
  /** The life of the target that is probed; an answer of another life does not count. */
  readonly boot: number
  readonly failAtMs: number
  /** When others are asked to try; Infinity once they are. */
  askAtMs: number
  helpers: readonly string[]
  /** Helpers that said that they got no answer either: so it is not us. */
  readonly nacks: Set<string>
}

/** SWIM's rounds: every member is probed once before any is probed twice, in random order. */
export class Prober {
  nextRoundMs = 0
  readonly #random: Random
  readonly #times: GossipTimes
  readonly #awareness: Awareness
  readonly #reach: Reach
  readonly #flights = new Map<number, Flight>()
  #order: string[] = []

  constructor(
    components: { random: Random; awareness: Awareness; reach: Reach },
    init: { times: GossipTimes },
  ) {
    this.#random = components.random
    this.#reach = components.reach
    this.#awareness = components.awareness
    this.#times = init.times
  }

  /** The members to probe in this round, out of `candidates`; sets the time of the next. */
  round(candidates: readonly string[], nowMs: number): string[] {
    // Isolated it accuses nobody, and wants to know soon when that is over.
    const score = this.#reach.isolated ? 1 : this.#awareness.score + 1
    this.nextRoundMs = nowMs + score * this.#times.probeIntervalMs
    const wanted = Math.min(this.#times.probesPerRound, candidates.length)
    const eligible = new Set(candidates)
    const targets: string[] = []
    // Twice through at most: what is left of the old order, then a new one.
    for (let refills = 0; targets.length < wanted && refills < 2; ) {
      const id = this.#order.pop()
      if (id === undefined) {
        this.#order = sample(this.#random, candidates, candidates.length)
        refills++
      } else if (eligible.delete(id)) {
        targets.push(id)
      }
    }
    return targets
  }

  /** A new member takes a random place in the running order. */
  insert(id: string): void {
    this.#order.splice(randomInt(this.#random, this.#order.length + 1), 0, id)
  }

  begin(seq: number, target: string, boot: number, nowMs: number): void {
    const askAtMs = nowMs + this.#awareness.scale(this.#times.probeTimeoutMs)
    const failAtMs = nowMs + this.#awareness.scale(this.#times.probeIntervalMs)
    const flight = { seq, target, boot, askAtMs, failAtMs, helpers: [], nacks: new Set<string>() }
    this.#flights.set(seq, flight)
  }

  /** `from` answered: a probe of `from` itself, or one that it was asked to make. */
  ack(seq: number, from: string, boot: number): boolean {
    const flight = this.#flights.get(seq)
    if (!flight) return false
    const direct = flight.target === from && flight.boot === boot
    if (!direct && !flight.helpers.includes(from)) return false
    this.#flights.delete(seq)
    this.#awareness.add(-1)
    this.#reach.answered(from)
    return true
  }

  /** A helper got no answer. */
  nack(seq: number, from: string): void {
    const flight = this.#flights.get(seq)
    if (!flight?.helpers.includes(from)) return
    flight.nacks.add(from)
    this.#reach.answered(from)
  }

  /** Probes whose target did not answer in time itself; the caller names helpers with `asked`. */
  dueToAsk(nowMs: number): Flight[] {
    const due: Flight[] = []
    for (const flight of this.#flights.values()) if (flight.askAtMs <= nowMs) due.push(flight)
    return due
  }

  asked(flight: Flight, helpers: readonly string[]): void {
    flight.askAtMs = Number.POSITIVE_INFINITY
    flight.helpers = helpers
    this.#reach.missed(flight.target)
  }

  /** Takes out the probes that nobody answered in time, and learns from missed nacks. */
  failed(nowMs: number): Flight[] {
    const failed: Flight[] = []
    for (const flight of this.#flights.values()) if (flight.failAtMs <= nowMs) failed.push(flight)
    for (const flight of failed) {
      this.#flights.delete(flight.seq)
      const mute = flight.helpers.filter((helper) => !flight.nacks.has(helper))
      for (const helper of mute) this.#reach.missed(helper)
      this.#awareness.add(flight.helpers.length > 0 ? mute.length : 1)
    }
    return failed
  }

  /** Forgets the probes under way: after a pause of our own their silence says nothing. */
  reset(): void {
    this.#flights.clear()
    this.#reach.reset()
  }

  nextDeadlineMs(): number {
    let nextMs = this.nextRoundMs
    for (const { askAtMs, failAtMs } of this.#flights.values()) {
      nextMs = Math.min(nextMs, askAtMs, failAtMs)
    }
    return nextMs
  }
}
