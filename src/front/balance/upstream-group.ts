import {
  FULL,
  ILL_LAST,
  ILL_NEVER,
  ILL_TOO,
  NO_TARGET,
  type RequestChooser,
} from '../../placement/request-chooser.ts'
import type { Random } from '../../world.ts'
import type { UpstreamItem } from '../routes.ts'
import type { Upstream } from '../upstreams.ts'
import type { Candidate } from './candidates.ts'
import type { Line } from './lines.ts'

/**
 * Those that come first get all requests while at least 1/1.4 of them (72%) are healthy; below, what
 * they are too few for goes to the next (Envoy's overprovisioning factor).
 */
const OVERPROVISIONING = 1.4

/** An entry of the list with its own weight; without weights all entries of a priority. */
interface Part {
  readonly slots: Int32Array
  /** What it is drawn by: its weight, 0 when none of it is healthy while others have one that is. */
  readonly drawn: number
}

/** The upstreams of one priority that take new clients. */
interface Level {
  readonly parts: readonly Part[]
  /** Of what the parts are drawn by. */
  readonly drawn: number
  /** The part of the requests that goes to it or to those before it. */
  readonly until: number
  /** So few are healthy that all are asked. */
  readonly panics: boolean
}

/** One upstream of the group. */
export interface GroupMember {
  readonly upstream: Upstream
  readonly slot: number
  readonly priority: number
  /** Share of the requests that should go to it, beside those of the others. */
  readonly weight: number
  /** Takes no new clients, by the configuration. */
  readonly drain: boolean
}

export interface UpstreamGroupComponents {
  readonly chooser: RequestChooser
  readonly random: Random
  readonly upstreamOf: (url: string) => Upstream
  readonly line: Line
}

export interface UpstreamGroupInit {
  readonly items: readonly UpstreamItem[]
  readonly forwarder: 'aries' | 'http-proxy'
  /** Part of healthy upstreams below which all of them are asked. */
  readonly panicBelow: number
}

/**
 * The upstreams of a route, made once for all its requests. A request draws one of the priorities by
 * health, in it one of the entries by weight, and there goes where it costs least.
 */
export class UpstreamGroup {
  readonly line: Line
  readonly forwarder: 'aries' | 'http-proxy'
  readonly members: readonly GroupMember[]
  readonly #chooser: RequestChooser
  readonly #random: Random
  /** By entry, or all as one. */
  readonly #entries: readonly (readonly GroupMember[])[]
  readonly #panicBelow: number
  #levels: readonly Level[] = []
  /** The only level, when it has one part: there is nothing to draw. */
  #plain: Level | undefined
  #all = new Int32Array(0)
  #epoch = -1

  constructor(components: UpstreamGroupComponents, init: UpstreamGroupInit) {
    const { chooser, random, line, upstreamOf } = components
    this.#chooser = chooser
    this.#random = random
    this.line = line
    this.forwarder = init.forwarder
    this.#panicBelow = init.panicBelow
    const weighs = init.items.some(({ weight }) => weight !== undefined)
    const parts = init.items.map((item) =>
      item.upstreams.map(({ url }): GroupMember => {
        const upstream = upstreamOf(url)
        return {
          upstream,
          slot: upstream.slot,
          priority: item.priority,
          weight: weighs ? (item.weight ?? 1) / item.upstreams.length : 1,
          drain: item.drain,
        }
      }),
    )
    this.members = parts.flat()
    this.#entries = weighs ? parts : [this.members]
  }

  /** The slot for the next attempt, `NO_TARGET` or `FULL`; `tried`: not these. */
  choose(nowMs: number, tried: ReadonlySet<number> | undefined): number {
    this.#renew()
    const plain = this.#plain
    if (plain !== undefined) {
      const { slots } = plain.parts[0]!
      const ofIll = plain.panics ? ILL_TOO : ILL_LAST
      return this.#chooser.choose(slots, slots.length, nowMs, tried, ofIll)
    }
    const levels = this.#levels
    if (levels.length === 0) return NO_TARGET
    const first = this.#drawLevel()
    for (let i = -1; i < levels.length; i++) {
      if (i === first) continue
      const slot = this.#chooseIn(levels[i < 0 ? first : i]!, nowMs, tried)
      if (slot >= 0 || slot === FULL) return slot
    }
    return this.#chooser.choose(this.#all, this.#all.length, nowMs, tried)
  }

  /** Whether a client that was there before may go there again. */
  keeps(slot: number, tried: ReadonlySet<number> | undefined): boolean {
    return this.#chooser.isHealthy(slot) && tried?.has(slot) !== true
  }

  /** Those that take new clients, of the first priority that has a healthy one not yet tried. */
  *eligible(tried: ReadonlySet<number> | undefined): Generator<GroupMember> {
    let priority = Number.POSITIVE_INFINITY
    for (const member of this.members) {
      if (member.priority < priority && this.#isEligible(member, tried)) priority = member.priority
    }
    for (const member of this.members) {
      if (member.priority === priority && this.#isEligible(member, tried)) yield member
    }
  }

  /** All of them, for whoever explains a choice. */
  candidates(): Candidate[] {
    return this.members.map((member) => ({
      slot: member.slot,
      id: member.upstream.address.url,
      drains: !isOpen(member),
    }))
  }

  inFlight(slot: number): number {
    return this.#chooser.loads.inFlight[slot]!
  }

  isFull(slot: number, nowMs: number): boolean {
    return this.#chooser.isFull(slot, nowMs)
  }

  #isEligible(member: GroupMember, tried: ReadonlySet<number> | undefined): boolean {
    return isOpen(member) && this.keeps(member.slot, tried)
  }

  #drawLevel(): number {
    const levels = this.#levels
    if (levels.length < 2) return 0
    const drawn = this.#random.next()
    let level = 0
    while (level < levels.length - 1 && drawn >= levels[level]!.until) level++
    return level
  }

  #chooseIn(level: Level, nowMs: number, tried: ReadonlySet<number> | undefined): number {
    const { parts, panics } = level
    const ofIll = panics ? ILL_TOO : ILL_NEVER
    const first = parts.length === 1 ? 0 : this.#drawPart(level)
    for (let i = 0; i < parts.length; i++) {
      const { slots } = parts[(first + i) % parts.length]!
      const slot = this.#chooser.choose(slots, slots.length, nowMs, tried, ofIll)
      if (slot >= 0 || slot === FULL) return slot
    }
    return NO_TARGET
  }

  #drawPart({ parts, drawn }: Level): number {
    let at = this.#random.next() * drawn
    for (let i = 0; i < parts.length; i++) {
      at -= parts[i]!.drawn
      if (at < 0) return i
    }
    return 0
  }

  /** Reckons all shares anew when the health of an upstream has changed. */
  #renew(): void {
    if (this.#epoch === this.#chooser.healthEpoch) return
    this.#epoch = this.#chooser.healthEpoch
    const open = this.members.filter(isOpen)
    this.#all = slotsOf(open)
    const priorities = [...new Set(open.map(({ priority }) => priority))].sort((a, b) => a - b)
    const healthy = priorities.map((priority) =>
      this.#healthyPart(open.filter((one) => one.priority === priority)),
    )
    const bears = healthy.map((part) => Math.min(1, OVERPROVISIONING * part))
    const sum = bears.reduce((a, b) => a + b, 0)
    let until = 0
    this.#levels = priorities.map((priority, i): Level => {
      // Where all together bear less than everything, each gets its share of it.
      until += sum === 0 ? 1 : sum < 1 ? bears[i]! / sum : Math.min(bears[i]!, 1 - until)
      const parts = this.#parts(priority)
      const drawn = parts.reduce((total, part) => total + part.drawn, 0)
      return { parts, drawn, until, panics: sum < 1 && healthy[i]! < this.#panicBelow }
    })
    const [only, ...others] = this.#levels
    this.#plain = others.length === 0 && only?.parts.length === 1 ? only : undefined
  }

  #parts(priority: number): Part[] {
    const entries = this.#entries
      .map((entry) => entry.filter((one) => isOpen(one) && one.priority === priority))
      .filter((entry) => entry.length > 0)
    const anyHealthy = entries.some((entry) => this.#healthyPart(entry) > 0)
    return entries.map((entry) => ({
      slots: slotsOf(entry),
      drawn:
        anyHealthy && this.#healthyPart(entry) === 0
          ? 0
          : entry.reduce((total, one) => total + one.weight, 0),
    }))
  }

  #healthyPart(members: readonly GroupMember[]): number {
    return members.filter(({ slot }) => this.#chooser.isHealthy(slot)).length / members.length
  }
}

function slotsOf(members: readonly GroupMember[]): Int32Array<ArrayBuffer> {
  return Int32Array.from(members, ({ slot }) => slot)
}

/** Whether it takes new clients. */
function isOpen(member: GroupMember): boolean {
  return member.weight > 0 && !isDraining(member)
}

function isDraining({ drain, upstream }: GroupMember): boolean {
  return drain || upstream.draining
}
