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
import type { Line } from './lines.ts'

/**
 * Those that come first get all requests while at least 1/1.4 of them (72%) are healthy; below, what
 * they are too few for goes to the next (Envoy's overprovisioning factor).
 */
const OVERPROVISIONING = 1.4

/** The upstreams of one part and one priority that take new clients. */
interface Level {
  readonly slots: Int32Array
  /** The part of the requests that goes to it or to those before it. */
  readonly until: number
  /** So few are healthy that all are asked. */
  readonly panics: boolean
}

/** An entry of the list with its own weight; without weights the whole list. */
interface Part {
  readonly weight: number
  /** Its weight; 0 when none of it is healthy while others have one that is. */
  drawn: number
  readonly levels: readonly Level[]
  readonly hasHealthy: boolean
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
 * The upstreams of a route, made once for all its requests. A request draws one of the parts by
 * weight, in it one of the priorities by health, and there goes where it costs least.
 */
export class UpstreamGroup {
  readonly line: Line
  readonly forwarder: 'aries' | 'http-proxy'
  readonly members: readonly GroupMember[]
  readonly #chooser: RequestChooser
  readonly #random: Random
  readonly #members: readonly (readonly GroupMember[])[]
  readonly #panicBelow: number
  #parts: readonly Part[] = []
  /** Of what the parts are drawn by. */
  #drawn = 0
  /** All that take new clients, when there is nothing to draw. */
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
    this.#members = weighs ? parts : [this.members]
  }

  /** The slot for the next attempt, `NO_TARGET` or `FULL`; `tried`: not these. */
  choose(nowMs: number, tried: ReadonlySet<number> | undefined): number {
    this.#renew()
    const plain = this.#plain
    if (plain !== undefined) {
      const ofIll = plain.panics ? ILL_TOO : ILL_LAST
      return this.#chooser.choose(plain.slots, plain.slots.length, nowMs, tried, ofIll)
    }
    const parts = this.#parts
    const first = this.#drawPart()
    for (let i = 0; i < parts.length; i++) {
      const slot = this.#chooseIn(parts[(first + i) % parts.length]!, nowMs, tried)
      if (slot !== NO_TARGET) return slot
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

  inFlight(slot: number): number {
    return this.#chooser.loads.inFlight[slot]!
  }

  isFull(slot: number, nowMs: number): boolean {
    return this.#chooser.isFull(slot, nowMs)
  }

  #isEligible(member: GroupMember, tried: ReadonlySet<number> | undefined): boolean {
    return !isDraining(member) && member.weight > 0 && this.keeps(member.slot, tried)
  }

  #drawPart(): number {
    const parts = this.#parts
    let at = this.#random.next() * this.#drawn
    for (let i = 0; i < parts.length; i++) {
      at -= parts[i]!.drawn
      if (at < 0) return i
    }
    return 0
  }

  #chooseIn({ levels }: Part, nowMs: number, tried: ReadonlySet<number> | undefined): number {
    const drawn = levels.length === 1 ? 0 : this.#random.next()
    let first = 0
    while (first < levels.length - 1 && drawn >= levels[first]!.until) first++
    for (let i = -1; i < levels.length; i++) {
      if (i === first) continue
      const { slots, panics } = levels[i < 0 ? first : i]!
      const ofIll = panics ? ILL_TOO : ILL_NEVER
      const slot = this.#chooser.choose(slots, slots.length, nowMs, tried, ofIll)
      if (slot >= 0 || slot === FULL) return slot
    }
    return NO_TARGET
  }

  /** Reckons parts and levels anew when the health of an upstream has changed. */
  #renew(): void {
    if (this.#epoch === this.#chooser.healthEpoch) return
    this.#epoch = this.#chooser.healthEpoch
    this.#parts = this.#members.map((members) => this.#part(members)).filter(isThere)
    const anyHealthy = this.#parts.some(({ hasHealthy }) => hasHealthy)
    this.#drawn = 0
    for (const part of this.#parts) {
      part.drawn = anyHealthy && !part.hasHealthy ? 0 : part.weight
      this.#drawn += part.drawn
    }
    this.#all = Int32Array.from(
      this.members.filter((one) => !isDraining(one)),
      (one) => one.slot,
    )
    const [only] = this.#parts
    this.#plain =
      this.#parts.length === 1 && only!.levels.length === 1 ? only!.levels[0] : undefined
  }

  #part(members: readonly GroupMember[]): Part {
    const open = members.filter((one) => !isDraining(one))
    const priorities = [...new Set(open.map((one) => one.priority))].sort((a, b) => a - b)
    const found = priorities.map((priority) => {
      const slots = Int32Array.from(
        open.filter((one) => one.priority === priority),
        (one) => one.slot,
      )
      const healthy = slots.reduce((n, slot) => n + (this.#chooser.isHealthy(slot) ? 1 : 0), 0)
      return { slots, healthy: healthy / slots.length }
    })
    const bears = found.map(({ healthy }) => Math.min(1, OVERPROVISIONING * healthy))
    const sum = bears.reduce((a, b) => a + b, 0)
    let until = 0
    const levels = found.map(({ slots, healthy }, i): Level => {
      // Where all together bear less than everything, each gets its share of it.
      until += sum < 1 ? bears[i]! / sum : Math.min(bears[i]!, 1 - until)
      return { slots, until, panics: sum < 1 && healthy < this.#panicBelow }
    })
    const weight = members.reduce((total, one) => total + one.weight, 0)
    return { weight, drawn: weight, levels, hasHealthy: sum > 0 }
  }
}

function isThere({ levels, weight }: Part): boolean {
  return levels.length > 0 && weight > 0
}

function isDraining({ drain, upstream }: GroupMember): boolean {
  return drain || upstream.draining
}
