import type { ClusterMap } from '../config/schema.ts'
import { draw, type Random } from '../world.ts'
import type { Awareness } from './awareness.ts'
import { BOOT_AHEAD_MS_MAX, type Claim, compareStandings, VERSION_MAX } from './claim.ts'
import { Concession } from './concession.ts'
import type { Dissemination } from './dissemination.ts'
import { Joined } from './joined.ts'
import {
  admit,
  claimOf,
  type Entry,
  type HeldMap,
  type MemberTable,
  type Place,
  seenState,
} from './member-table.ts'
import type { GossipTimes } from './presets.ts'
import type { Reach } from './reach.ts'
import { Suspects } from './suspects.ts'
import { remainingMs, Suspicion, type SuspicionTimes, suspicionTimes } from './suspicion.ts'
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
  readonly joined: Joined
  readonly #table: MemberTable
  readonly #news: Dissemination
  readonly #awareness: Awareness
  readonly #reach: Reach
  readonly #suspects: Suspects
  readonly #doubted = new Set<Entry>()
  readonly #concession: Concession
  readonly #times: GossipTimes
  /** Wall clock minus the time of events. */
  readonly #wallOffsetMs: number
  #leaving = false
  /** The others that are there; undefined when somebody came or went since. */
  #present: Entry[] | undefined
  #transitions: Transition[] = []
  #direct = new Set<Entry>()

  constructor(
    components: {
      table: MemberTable
      news: Dissemination
      awareness: Awareness
      reach: Reach
    },
    init: {
      selfId: string
      map: ClusterMap
      boot: number
      times: GossipTimes
      nowMs: number
      joining?: Place | undefined
    },
  ) {
    this.#table = components.table
    this.#news = components.news
    this.#awareness = components.awareness
    this.#reach = components.reach
    this.#suspects = new Suspects(init.times)
    this.#concession = new Concession({ intervalMs: init.times.probeIntervalMs })
    this.#times = init.times
    this.#wallOffsetMs = init.boot - init.nowMs
    this.#table.setMap({ map: init.map }, init.selfId, init.nowMs)
    this.joined = new Joined(components, init)
    this.joined.forgetMs = init.map.join?.forgetMs ?? 0
    if (init.joining) this.#table.join(init.joining, init.nowMs, true)
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

  setMap(map: HeldMap, nowMs: number): { added: Entry[]; removed: Entry[] } {
    this.joined.forgetMs = map.map.join?.forgetMs ?? 0
    const { added, removed } = this.#table.setMap(map, this.self.place.id, nowMs)
    this.#present = undefined
    for (const entry of removed) this.#bury(entry)
    for (const entry of added) this.#transitions.push({ entry, before: undefined })
    return { added, removed }
  }

  /** What everybody knows already: no news. */
  know(claim: Claim, nowMs: number): void {
    const entry = this.#table.get(claim.id)
    if (entry && entry !== this.self) admit(entry, claim, nowMs)
  }

  /** Takes in what `from` claims of anybody. */
  hear(claim: Claim, from: string, nowMs: number): void {
    if (claim.boot > nowMs + this.#wallOffsetMs + BOOT_AHEAD_MS_MAX) return
    const entry = this.#table.get(claim.id) ?? this.joined.welcome(claim, nowMs)
    if (!entry) return
    if (claim.place) this.joined.relocate(entry, claim)
    if (entry === this.self) this.#hearOfSelf(claim, from, nowMs)
    else if (compareStandings(claim, entry) === 0) this.#confirm(entry, claim.accusers, nowMs)
    else this.#admit(entry, claim, claim.accusers.length > 0 ? claim.accusers : [from], nowMs)
  }

  /** Forgets those that joined and are gone for long; returns them. */
  forget(nowMs: number): Entry[] {
    const gone = this.joined.forget(nowMs)
    if (gone.length > 0) this.#present = undefined
    for (const entry of gone) this.#bury(entry)
    return gone
  }

  /** A packet of its present life came from `entry` itself: what we alone think of it is over. */
  heard(entry: Entry, nowMs: number): void {
    entry.heardMs = nowMs
    if (!entry.doubt) return
    const before = seenState(entry)
    this.#undoubt(entry)
    if (seenState(entry) !== before) this.#transitions.push({ entry, before })
  }

  /**
   * Our own probe of `entry` failed. While most of the others do not answer us either, that is
   * between us and them: we act on it alone, after the longest suspicion, and accuse nobody.
   */
  accuse(entry: Entry, nowMs: number): void {
    const selfId = this.self.place.id
    if (this.#isolated) {
      this.#doubt(entry, nowMs)
      return
    }
    if (entry.state === 'suspect') this.#confirm(entry, [selfId], nowMs)
    if (entry.state !== 'alive') return
    this.#admit(entry, { ...claimOf(entry), state: 'suspect' }, [selfId], nowMs)
    this.#direct.add(entry)
  }

  /** Nobody listens at one of its ports: its process is gone, no suspicion is needed. */
  refuse(entry: Entry, nowMs: number): void {
    if (entry === this.self || entry.state === 'left' || entry.refused) return
    // It has just refuted the last such report: its port opens later than its gossip.
    if (entry.state === 'alive' && nowMs - entry.sinceMs < this.#times.probeIntervalMs) return
    entry.refused = true
    if (entry.state === 'unreachable') {
      this.#transitions.push({ entry, before: entry.state })
      return
    }
    this.#admit(entry, { ...claimOf(entry), state: 'unreachable' }, [], nowMs)
    this.#direct.add(entry)
  }

  /** Ends suspicions whose time has come. */
  expire(nowMs: number): void {
    for (const entry of this.#doubted) {
      if (entry.doubt!.state === 'suspect' && entry.doubt!.untilMs <= nowMs) this.#giveUp(entry)
    }
    for (const entry of this.#suspects.due(nowMs)) {
      if (this.#isolated) this.#keepToOurselves(entry)
      else this.#admit(entry, { ...claimOf(entry), state: 'unreachable' }, [], nowMs)
    }
  }

  /** We slept `pausedMs`: nobody could refute to us in that time. */
  postpone(pausedMs: number): void {
    for (const { suspicion } of this.#suspects.values()) suspicion?.postpone(pausedMs)
    for (const { doubt } of this.#doubted) if (doubt) doubt.untilMs += pausedMs
  }

  /** Contradicts what was said of us while we were isolated, when the time for it has come. */
  refuteLate(nowMs: number): void {
    if (!this.#concession.isOpen) return
    const { isAnswered } = this.#reach
    const accusation = this.#concession.due({ isolated: this.#isolated, isAnswered }, nowMs)
    if (accusation) this.#refute(accusation.claim, accusation.from, nowMs)
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

  /** The others that are alive or suspect, as far as others say. */
  present(): readonly Entry[] {
    this.#present ??= this.#table.others.filter(isPresent)
    return this.#present
  }

  others(): readonly Entry[] {
    return this.#table.others
  }

  /** Up to `count` of the others that `accept` takes, in random order. */
  draw(random: Random, count: number, accept: (entry: Entry) => boolean): Entry[] {
    return draw(random, this.#table.others, count, accept)
  }

  nextDeadlineMs(): number {
    let nextMs = Math.min(
      this.#suspects.cutAtMs(),
      this.#concession.nextDeadlineMs,
      this.joined.nextDeadlineMs,
    )
    for (const { doubt } of this.#doubted) {
      if (doubt?.state === 'suspect') nextMs = Math.min(nextMs, doubt.untilMs)
    }
    return nextMs
  }

  get #isolated(): boolean {
    return this.#times.lifeguard && this.#reach.isolated
  }

  #admit(entry: Entry, claim: Claim, accusers: readonly string[], nowMs: number): void {
    const before = seenState(entry)
    const wasPresent = isPresent(entry)
    if (!admit(entry, claim, nowMs)) return
    if (isPresent(entry) !== wasPresent) this.#present = undefined
    if (entry.state === 'suspect') this.#suspect(entry, accusers, nowMs)
    else if (entry.state !== 'alive') this.#clear(entry)
    this.#suspects.note(entry)
    this.#news.add(entry.place.id)
    this.#transitions.push({ entry, before })
    if (entry.joined) this.joined.plan()
  }

  #bury(entry: Entry): void {
    this.#news.forget(entry.place.id)
    const before = seenState(entry)
    entry.state = 'left'
    this.#clear(entry)
    this.#transitions.push({ entry, before })
  }

  #suspect(entry: Entry, accusers: readonly string[], nowMs: number): void {
    entry.suspicion = new Suspicion(this.#suspicionTimes(), nowMs, accusers[0]!)
    for (const accuser of accusers.slice(1)) {
      if (this.#mayAccuse(entry, accuser)) entry.suspicion.confirm(accuser)
    }
  }

  /** By those that could confirm or refute something now, ourselves included. */
  #suspicionTimes(): SuspicionTimes {
    return suspicionTimes(this.#times, this.present().length + 1)
  }

  #doubt(entry: Entry, nowMs: number): void {
    if (entry.doubt || !isPresent(entry)) return
    const before = seenState(entry)
    const untilMs = nowMs + remainingMs(this.#suspicionTimes(), 0, 0)
    entry.doubt = { state: 'suspect', untilMs }
    this.#doubted.add(entry)
    if (before === 'alive') this.#transitions.push({ entry, before })
  }

  #giveUp(entry: Entry): void {
    const before = seenState(entry)
    entry.doubt = { state: 'unreachable', untilMs: Number.POSITIVE_INFINITY }
    this.#doubted.add(entry)
    if (before !== seenState(entry)) this.#transitions.push({ entry, before })
  }

  /** Its suspicion has run out while we are isolated: no verdict to tell, but one to act on. */
  #keepToOurselves(entry: Entry): void {
    entry.suspicion = undefined
    this.#suspects.note(entry)
    this.#giveUp(entry)
  }

  /** It is gone, and not only to us. */
  #clear(entry: Entry): void {
    this.#undoubt(entry)
    this.#reach.forget(entry.place.id)
    entry.suspicion = undefined
    this.#suspects.note(entry)
  }

  #undoubt(entry: Entry): void {
    entry.doubt = undefined
    this.#doubted.delete(entry)
  }

  #confirm(entry: Entry, accusers: readonly string[], nowMs: number): void {
    for (const accuser of accusers) {
      if (!this.#mayAccuse(entry, accuser)) continue
      if (entry.state === 'suspect' && !entry.suspicion) {
        this.#suspect(entry, [accuser], nowMs)
        this.#suspects.note(entry)
      } else if (entry.suspicion?.confirm(accuser)) this.#news.add(entry.place.id)
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
    if (this.#mustConcede(claim)) {
      this.#concession.note({ claim, from }, nowMs)
      return
    }
    this.#refute(claim, from, nowMs)
  }

  #refute(claim: Claim, from: string, nowMs: number): void {
    const { self } = this
    const order = compareStandings(claim, self)
    if (order < 0 || this.#leaving) return
    // Greater than what we ever said: an earlier life of ours, or somebody thinks us gone.
    const anotherLife = order === 0 || claim.boot > self.boot || claim.version >= VERSION_MAX
    if (anotherLife) self.boot = claim.boot + 1
    if (claim.state !== 'alive') this.#awareness.add(1)
    self.sinceMs = nowMs
    this.#raise(anotherLife ? 1 : claim.version + 1)
    const accuser = this.#table.get(from)
    if (accuser) this.#direct.add(accuser)
  }

  /**
   * Somebody cannot reach us, and we cannot reach most of the others: it is us. A refutation would
   * get through now and then, and bring us back for as long as it takes to be accused again.
   */
  #mustConcede(claim: Claim): boolean {
    const isAccusation = claim.state === 'suspect' || claim.state === 'unreachable'
    const mayNotRefute = this.#isolated || this.#concession.isOpen
    return mayNotRefute && isAccusation && claim.boot === this.self.boot
  }

  #raise(version: number, before: MemberState = this.self.state): void {
    this.self.version = version
    this.#news.add(this.self.place.id)
    this.#transitions.push({ entry: this.self, before })
  }
}

function isPresent({ state }: Entry): boolean {
  return state === 'alive' || state === 'suspect'
}

export function sameMeta(a: MemberMeta, b: MemberMeta): boolean {
  return (
    a.incarnation === b.incarnation &&
    a.poolPort === b.poolPort &&
    a.cordoned === b.cordoned &&
    a.draining === b.draining &&
    a.capacity?.cpu === b.capacity?.cpu &&
    a.capacity?.memoryBytes === b.capacity?.memoryBytes &&
    a.capacity?.requests === b.capacity?.requests &&
    a.capacity?.connections === b.capacity?.connections &&
    a.hostPorts.length === b.hostPorts.length &&
    a.hostPorts.every((port, index) => port === b.hostPorts[index])
  )
}
