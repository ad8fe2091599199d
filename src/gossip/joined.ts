import { type Claim, NO_META } from './claim.ts'
import { type Entry, type MemberTable, type Place, placeOf } from './member-table.ts'
import type { GossipTimes } from './presets.ts'
import type { JoinedNode } from './types.ts'

/** What a node says of itself that joins. */
export function firstClaim(node: JoinedNode): Claim {
  const { id, boot } = node
  const place = placeOf(node)
  return { id, state: 'alive', boot, version: 1, meta: NO_META, accusers: [], place }
}

/** The nodes that the map does not have: where they are, and for how long they are remembered. */
export class Joined {
  readonly #table: MemberTable
  readonly #times: GossipTimes
  /** From the map. */
  forgetMs = 0
  #forgetAtMs = Number.POSITIVE_INFINITY
  #placed = false

  constructor(components: { table: MemberTable }, init: { times: GossipTimes }) {
    this.#table = components.table
    this.#times = init.times
  }

  /** Somebody whom nobody knows: taken in when it is there, and when there is room. */
  welcome({ state, place }: Claim, nowMs: number): Entry | undefined {
    if (!place || (state !== 'alive' && state !== 'suspect')) return undefined
    const entry = this.#table.join(place, nowMs)
    if (entry) this.#placed = true
    return entry
  }

  /** Another life of it may be somewhere else. */
  relocate(entry: Entry, { boot, place }: Claim): void {
    if (!entry.joined || !place || boot <= entry.boot || isSame(entry.place, place)) return
    entry.place = place
    this.#placed = true
  }

  /** Takes out those that are gone for long: what nobody declared nobody misses. */
  forget(nowMs: number): Entry[] {
    if (nowMs < this.#forgetAtMs) return []
    const gone = this.#table.joined().filter((entry) => this.#untilMs(entry) <= nowMs)
    for (const { place } of gone) this.#table.forget(place.id)
    if (gone.length > 0) this.#placed = true
    this.plan()
    return gone
  }

  /** To be called when the state of one has changed. */
  plan(): void {
    this.#forgetAtMs = Number.POSITIVE_INFINITY
    for (const entry of this.#table.joined()) {
      this.#forgetAtMs = Math.min(this.#forgetAtMs, this.#untilMs(entry))
    }
  }

  get nextDeadlineMs(): number {
    return this.#forgetAtMs
  }

  /** True once, when it has changed who is reached, or where. */
  takePlaced(): boolean {
    const placed = this.#placed
    this.#placed = false
    return placed
  }

  #untilMs(entry: Entry): number {
    if (!this.#table.others.includes(entry)) return Number.POSITIVE_INFINITY
    if (entry.state === 'left') return entry.sinceMs + this.#times.goneGossipMs
    return entry.state === 'unreachable' ? entry.sinceMs + this.forgetMs : Number.POSITIVE_INFINITY
  }
}

function isSame(a: Place, b: Place): boolean {
  return (
    a.host === b.host &&
    a.gossipPort === b.gossipPort &&
    a.dataPort === b.dataPort &&
    a.adminPort === b.adminPort
  )
}
