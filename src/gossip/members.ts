import type { ClusterMap } from '../config/schema.ts'
import type { Awareness } from './awareness.ts'
import { BOOT_AHEAD_MS_MAX, type Claim, compareStandings, VERSION_MAX } from './claim.ts'
import type { Dissemination } from './dissemination.ts'
import { admit, claimOf, type Entry, type MemberTable } from './member-table.ts'
import type { GossipTimes } from './presets.ts'
import { Suspicion, suspicionTimes } from './suspicion.ts'
import type { MemberMeta, MemberState } from './types.ts'

export interface Transition {
  readonly entry: Entry
  readonly before: MemberState | undefined
}

/**
 * What is believed of every member, and how it changes: SWIM's states with Lifeguard's suspicion,
 * on the one order of claims (`compareStandings`). Every change is kept until `drain`.
 */
export class Members {
  readonly self: Entry
  readonly #table: MemberTable
  readonly #news: Dissemination
  readonly #awareness: Awareness
  readonly #times: GossipTimes
  /** Wall clock minus the time of events. */
  readonly #wallOffsetMs: number
  #leaving = false
  #transitions: Transition[] = []
  #direct = new Set<Entry>()

  constructor(
    components: { table: MemberTable; news: Dissemination; awareness: Awareness },
    init: { selfId: string; map: ClusterMap; boot: number; times: GossipTimes; nowMs: number },
  ) {
    this.#table = components.table
    this.#news = components.news
    this.#awareness = components.awareness
    this.#times = init.times
    this.#wallOffsetMs = init.boot - init.nowMs
    this.#table.setMap(init.map, init.selfId, init.nowMs)
    const self = this.#table.get(init.selfId)
    if (!self) throw new RangeError(`the map has no member "${init.selfId}"`)
    this.self = self
    self.state = 'alive'
    self.boot = init.boot
    self.version = 1
  }

  /** Everything that changed since the last call, and who is to hear from us at once. */
  drain(): { transitions: Transition[]; direct: Iterable<Entry> } {
    const drained = { transitions: this.#transitions, direct: this.#direct }
    if (this.#transitions.length > 0) this.#transitions = []
    if (this.#direct.size > 0) this.#direct = new Set()
    return drained
  }

  setMap(map: ClusterMap, nowMs: number): { added: Entry[]; removed: Entry[] } {
    const { added, removed } = this.#table.setMap(map, this.self.place.id, nowMs)
    for (const entry of removed) {
      this.#news.forget(entry.place.id)
      const before = entry.state
      entry.state = 'left'
      this.#transitions.push({ entry, before })
    }
    for (const entry of added) this.#transitions.push({ entry, before: undefined })
    return { added, removed }
  }

  /** Takes in what `from` claims of anybody. */
  hear(claim: Claim, from: string, nowMs: number): void {
    if (claim.boot > nowMs + this.#wallOffsetMs + BOOT_AHEAD_MS_MAX) return
    const entry = this.#table.get(claim.id)
    if (!entry) return
    if (entry === this.self) this.#hearOfSelf(claim, from, nowMs)
    else if (compareStandings(claim, entry) === 0) this.#confirm(entry, claim.accusers)
    else this.#admit(entry, claim, claim.accusers.length > 0 ? claim.accusers : [from], nowMs)
  }

  /** Our own probe of `entry` failed. */
  accuse(entry: Entry, nowMs: number): void {
    const selfId = this.self.place.id
    if (entry.state === 'suspect') this.#confirm(entry, [selfId])
    if (entry.state !== 'alive') return
    this.#admit(entry, { ...claimOf(entry), state: 'suspect' }, [selfId], nowMs)
    this.#direct.add(entry)
  }

  /** Nobody listens at its data port: its process is gone, no suspicion is needed. */
  refuse(entry: Entry, nowMs: number): void {
    if (entry === this.self || (entry.state !== 'alive' && entry.state !== 'suspect')) return
    // It has just refuted the last such report: its port opens later than its gossip.
    if (entry.state === 'alive' && nowMs - entry.sinceMs < this.#times.probeIntervalMs) return
    this.#admit(entry, { ...claimOf(entry), state: 'unreachable' }, [], nowMs)
    this.#direct.add(entry)
  }

  /** Ends suspicions whose time has come. */
  expire(nowMs: number): void {
    for (const entry of this.#table.values()) {
      if (entry.suspicion === undefined || entry.suspicion.deadlineMs > nowMs) continue
      this.#admit(entry, { ...claimOf(entry), state: 'unreachable' }, [], nowMs)
    }
  }

  /** We slept `pausedMs`: nobody could refute to us in that time. */
  postpone(pausedMs: number): void {
    for (const entry of this.#table.values()) entry.suspicion?.postpone(pausedMs)
  }

  setMeta(meta: MemberMeta): void {
    this.self.meta = meta
    this.#raise(this.self.version + 1)
  }

  leave(): void {
    this.#leaving = true
    this.self.state = 'left'
    this.#raise(this.self.version + 1, 'alive')
  }

  /** The others that are alive or suspect. */
  present(): Entry[] {
    return this.others().filter(({ state }) => state === 'alive' || state === 'suspect')
  }

  others(): Entry[] {
    return [...this.#table.values()].filter((entry) => entry !== this.self)
  }

  nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const { suspicion } of this.#table.values()) {
      if (suspicion) nextMs = Math.min(nextMs, suspicion.deadlineMs)
    }
    return nextMs
  }

  #admit(entry: Entry, claim: Claim, accusers: readonly string[], nowMs: number): void {
    const before = entry.state
    if (!admit(entry, claim, nowMs)) return
    if (entry.state === 'suspect') this.#suspect(entry, accusers, nowMs)
    this.#news.add(entry.place.id)
    this.#transitions.push({ entry, before })
  }

  #suspect(entry: Entry, accusers: readonly string[], nowMs: number): void {
    // Those that could confirm or refute something now, ourselves included.
    const times = suspicionTimes(this.#times, this.present().length + 1)
    entry.suspicion = new Suspicion(times, nowMs, accusers[0]!)
    for (const accuser of accusers.slice(1)) {
      if (this.#mayAccuse(entry, accuser)) entry.suspicion.confirm(accuser)
    }
  }

  #confirm(entry: Entry, accusers: readonly string[]): void {
    for (const accuser of accusers) {
      if (!this.#mayAccuse(entry, accuser)) continue
      if (entry.suspicion?.confirm(accuser)) this.#news.add(entry.place.id)
    }
  }

  #mayAccuse(entry: Entry, accuser: string): boolean {
    return accuser !== entry.place.id && this.#table.get(accuser) !== undefined
  }

  #hearOfSelf(claim: Claim, from: string, nowMs: number): void {
    const { self } = this
    const order = compareStandings(claim, self)
    if (order < 0 || this.#leaving) return
    if (order === 0 && sameMeta(claim.meta, self.meta)) return
    // Greater than what we ever said: an earlier life of ours, or somebody thinks us gone.
    const anotherLife = order === 0 || claim.boot > self.boot || claim.version >= VERSION_MAX
    if (anotherLife) self.boot = claim.boot + 1
    if (claim.state !== 'alive') this.#awareness.add(1)
    self.sinceMs = nowMs
    this.#raise(anotherLife ? 1 : claim.version + 1)
    const accuser = this.#table.get(from)
    if (accuser) this.#direct.add(accuser)
  }

  #raise(version: number, before: MemberState = this.self.state): void {
    this.self.version = version
    this.#news.add(this.self.place.id)
    this.#transitions.push({ entry: this.self, before })
  }
}

export function sameMeta(a: MemberMeta, b: MemberMeta): boolean {
  return (
    a.incarnation === b.incarnation &&
    a.poolPort === b.poolPort &&
    a.cordoned === b.cordoned &&
    a.draining === b.draining &&
    a.hostPorts.length === b.hostPorts.length &&
    a.hostPorts.every((port, index) => port === b.hostPorts[index])
  )
}
