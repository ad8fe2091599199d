import { type Random, sample } from '../world.ts'
import { Awareness } from './awareness.ts'
import { Board, type BoardRow } from './board.ts'
import type { Claim } from './claim.ts'
import { Composer } from './composer.ts'
import type { CoreInit } from './core-init.ts'
import { describe } from './describe.ts'
import { Detector, type Saying } from './detector.ts'
import { Dissemination } from './dissemination.ts'
import type { GossipEffects, GossipEvent } from './events.ts'
import { Exchange } from './exchange.ts'
import { firstClaim } from './joined.ts'
import { Loads } from './loads.ts'
import { claimOf, type Entry, type HeldMap, MemberTable, type Place } from './member-table.ts'
import { Members, sameMeta } from './members.ts'
import { HEAD_BYTES_MIN, HOST_PORTS_MAX, type PacketHead, type Sync } from './packet.ts'
import type { GossipTimes } from './presets.ts'
import { Pushes } from './pushes.ts'
import { Reach } from './reach.ts'
import type { LoadVector, MapCensus, Member, MemberMeta } from './types.ts'

interface SendOptions {
  readonly accuse?: boolean
  readonly toBoot?: number
  readonly window?: boolean
  readonly bytesMax?: number
  readonly stream?: boolean
}

type PacketEvent = Extract<GossipEvent, { type: 'packet' }>

/** Lifeguard's and memberlist's bound of how often the own times are stretched. */
const AWARENESS_MAX = 8
/** Members that a starting or leaving member tells itself; the others hear of it from those. */
const TOLD_MAX = 64
/** Least part of a probe timeout between two introductions to one member. */
const INTRODUCE_PART = 1 / 10
/** A timer that is later than this part of a probe timeout shows a loop that is short of time. */
const LAG_PART = 1 / 2

/**
 * SWIM with Lifeguard, and MOSIX's board: which members of the map are there, what they tell of
 * themselves, how loaded they are. Pure: what happens comes in through `handle`, with the time;
 * what is to be done comes out.
 */
export class GossipCore {
  readonly #random: Random
  readonly #times: GossipTimes
  readonly #table = new MemberTable()
  readonly #board = new Board()
  readonly #news = new Dissemination()
  readonly #awareness: Awareness
  readonly #reach = new Reach({ others: () => this.#members.present().length })
  readonly #members: Members
  readonly #detector: Detector
  readonly #composer: Composer
  readonly #loads: Loads
  readonly #exchange: Exchange
  readonly #pushes: Pushes
  readonly #self: Entry
  #mapEpoch: number
  #mapHash: string
  #effects: GossipEffects = { sends: [], changes: [] }
  #running = false
  #lastFlushMs = Number.NEGATIVE_INFINITY
  #flushAtMs = Number.POSITIVE_INFINITY
  #gossipAtMs = 0
  #reprobeAtMs = 0
  #nextMs = Number.POSITIVE_INFINITY
  /** The lag of our loop up to here is noticed. */
  #lateUntilMs = Number.NEGATIVE_INFINITY

  constructor(components: { random: Random }, init: CoreInit) {
    const { random } = components
    const { times } = init
    const [table, board, news, reach] = [this.#table, this.#board, this.#news, this.#reach]
    const awareness = new Awareness(times.lifeguard ? AWARENESS_MAX : 1)
    this.#awareness = awareness
    this.#random = random
    this.#times = times
    this.#mapEpoch = init.map.epoch
    this.#mapHash = init.mapHash
    const members = new Members({ table, news, awareness, reach }, init)
    const say = this.#say.bind(this)
    this.#members = members
    this.#self = members.self
    for (const claim of init.known ?? []) members.know(claim, init.nowMs)
    const sendSync = (to: Entry, sync: Sync, at: number): void => this.#send(to, at, { sync })
    const sendClaims = this.#sendClaims.bind(this)
    this.#exchange = new Exchange({ random, table, members, sendSync, sendClaims }, { times })
    this.#pushes = new Pushes({ random, members }, { times })
    this.#loads = new Loads({ self: members.self, table, board })
    this.#detector = new Detector({ random, table, members, awareness, reach, say }, { times })
    this.#composer = new Composer(
      { self: members.self, table, board, news },
      { times, bytesMax: init.payloadBytesMax, mapHash: init.mapHash },
    )
  }

  /** Takes in one event; the time never goes back. */
  handle(event: GossipEvent, nowMs: number): GossipEffects {
    const { boot } = this.#self
    if (this.#running && this.#times.lifeguard) this.#noticePause(nowMs)
    this.#dispatch(event, nowMs)
    this.#settle(nowMs)
    this.#nextMs = this.#findDeadlineMs()
    const effects = this.#effects
    this.#effects = { sends: [], changes: [] }
    if (this.#self.boot !== boot) effects.boot = this.#self.boot
    if (this.#members.joined.takePlaced()) effects.placed = true
    return effects
  }

  /** When the next `tick` is due. */
  nextDeadlineMs(): number {
    return this.#nextMs
  }

  #findDeadlineMs(): number {
    if (!this.#running) return Number.POSITIVE_INFINITY
    return Math.min(
      this.#flushAtMs,
      this.#gossipAtMs,
      this.#exchange.nextDeadlineMs,
      this.#pushes.nextDeadlineMs,
      this.#reprobeAtMs,
      this.#detector.nextDeadlineMs(),
      this.#members.nextDeadlineMs(),
    )
  }

  /** Every entry of the table, and every row of the board, as they are: for checks. */
  get entries(): Iterable<Readonly<Entry>> {
    return this.#table.values()
  }

  get rows(): readonly Readonly<BoardRow>[] {
    return this.#board.rows()
  }

  members(nowMs: number): Member[] {
    return [...this.#table.values()].map((entry) => describe(entry, this.#board, nowMs))
  }

  member(id: string, nowMs: number): Member | undefined {
    const entry = this.#table.get(id)
    return entry && describe(entry, this.#board, nowMs)
  }

  /** What this member tells of `id`: not what it alone doubts. */
  claimOf(id: string): Claim | undefined {
    const entry = this.#table.get(id)
    return entry && claimOf(entry)
  }

  /** Where those are that the map does not have. */
  get joined(): readonly Place[] {
    return this.#table.joined().map(({ place }) => place)
  }

  /** Who holds a map of the epoch of ours. */
  mapCensus(): MapCensus {
    const same = this.#members.present().filter(({ mapEpoch }) => mapEpoch === this.#mapEpoch)
    const others = same.filter(({ mapHash }) => mapHash !== this.#mapHash)
    return { holders: 1 + same.length - others.length, others: others.map(({ place }) => place.id) }
  }

  /** Lifeguard's score of this member: 0 is healthy. */
  get awareness(): number {
    return this.#awareness.score
  }

  /** What grows with use: members that there is news of, rows of the board and of a window. */
  get sizes(): { members: number; news: number; rows: number; window: number } {
    const window = this.#composer.rowsSent
    return { members: this.#table.size, news: this.#news.size, rows: this.#board.size, window }
  }

  #dispatch(event: GossipEvent, nowMs: number): void {
    if (event.type === 'packet') this.#receive(event, nowMs)
    else if (event.type === 'tick') this.#tick(nowMs)
    else if (event.type === 'load') this.#setLoad(event.load, nowMs)
    else if (event.type === 'meta') this.#setMeta(event.meta)
    else if (event.type === 'map') this.#setMap(event, nowMs)
    else if (event.type === 'refused') this.#refuse(event.id, nowMs)
    else if (event.type === 'join') this.#members.hear(firstClaim(event.node), event.node.id, nowMs)
    else if (event.type === 'start') this.#start(nowMs)
    else this.#leave(nowMs)
  }

  #start(nowMs: number): void {
    const { gossipIntervalMs, reprobeIntervalMs } = this.#times
    this.#running = true
    this.#detector.start(nowMs)
    this.#gossipAtMs = nowMs + this.#random.next() * gossipIntervalMs
    this.#reprobeAtMs = nowMs + this.#random.next() * reprobeIntervalMs
    this.#exchange.plan(nowMs)
    this.#pushes.start(nowMs)
    for (const entry of this.#tell(this.#members.others(), nowMs)) {
      this.#detector.knock(entry, nowMs)
    }
  }

  #leave(nowMs: number): void {
    this.#members.leave()
    this.#tell(this.#members.present(), nowMs)
  }

  #tell(entries: readonly Entry[], nowMs: number): Entry[] {
    const told = sample(this.#random, entries, TOLD_MAX)
    for (const entry of told) this.#send(entry, nowMs)
    return told
  }

  #tick(nowMs: number): void {
    this.#detector.tick(nowMs)
    this.#members.expire(nowMs)
    for (const { place } of this.#members.forget(nowMs)) this.#board.forget(place.id)
    if (this.#gossipAtMs <= nowMs) this.#gossip(nowMs)
    this.#exchange.tick(nowMs)
    for (const entry of this.#pushes.tick(nowMs)) this.#send(entry, nowMs)
    if (this.#reprobeAtMs <= nowMs) this.#reprobe(nowMs)
  }

  /**
   * How late this event is after the timer that should have come before it is the lag of our loop:
   * some of it tells of our health; with more a silent member cannot be told from our unread socket.
   */
  #noticePause(nowMs: number): void {
    const dueMs = Math.max(this.#nextMs, this.#lateUntilMs)
    const lateMs = nowMs - dueMs
    if (lateMs < this.#times.probeTimeoutMs * LAG_PART) return
    this.#lateUntilMs = nowMs
    this.#awareness.add(1)
    if (lateMs < this.#times.probeTimeoutMs) return
    this.#detector.reset()
    this.#members.postpone(lateMs)
  }

  /** A window of news and loads to a random member: many apart are fresher than some together. */
  #gossip(nowMs: number): void {
    const { gossipIntervalMs, gossipFanout } = this.#times
    this.#gossipAtMs = nowMs + gossipIntervalMs / gossipFanout
    this.#sendToSome(nowMs, 1, { window: true })
  }

  #sendToSome(nowMs: number, count: number, options: SendOptions = {}): void {
    const mayHear = (entry: Entry): boolean => this.#mayHear(entry, nowMs)
    for (const entry of this.#members.draw(this.#random, count, mayHear)) {
      this.#send(entry, nowMs, {}, options)
    }
  }

  /** Those that have just become unreachable too: so they can refute. */
  #mayHear(entry: Entry, nowMs: number): boolean {
    if (entry.state === 'alive' || entry.state === 'suspect') return true
    const goneMs = nowMs - entry.sinceMs
    return entry.state === 'unreachable' && entry.boot > 0 && goneMs < this.#times.goneGossipMs
  }

  #sendClaims(to: Entry, entries: readonly Entry[]): void {
    for (const payload of this.#composer.composeClaims(to, entries)) {
      this.#effects.sends.push({ to: to.place, toBoot: to.boot, payload, stream: false })
    }
  }

  /** A member of the map that is unreachable is tried for ever. */
  #reprobe(nowMs: number): void {
    this.#reprobeAtMs = nowMs + this.#times.reprobeIntervalMs
    const [entry] = this.#members.draw(this.#random, 1, ({ state }) => state === 'unreachable')
    if (entry) this.#detector.greet(entry, nowMs)
  }

  #receive(event: PacketEvent, nowMs: number): void {
    const entry = this.#table.get(event.from)
    if (!entry || entry === this.#self) return
    if (!event.current || event.boot < entry.boot) {
      this.#introduce(entry, event, nowMs)
      return
    }
    const { packet } = event
    this.#members.heard(entry, nowMs)
    entry.mapEpoch = event.map.mapEpoch
    entry.mapHash = event.map.mapHash
    for (const claim of packet.claims) this.#members.hear(claim, event.from, nowMs)
    for (const news of packet.loads) if (this.#loads.hear(news, nowMs)) this.#hurryWindow(nowMs)
    if (event.map.mapHash === this.#mapHash) this.#loads.hearRows(packet.rows ?? [], nowMs)
    if (packet.answer) this.#detector.answered(packet.answer, entry, event.boot, nowMs)
    if (packet.probe) this.#detector.probed(packet.probe, entry, event.stream, nowMs)
    if (packet.sync) this.#exchange.received(entry, packet.sync, nowMs)
    if (packet.probe?.type !== 'ping') this.#accuse(entry, nowMs)
    this.#exchange.heard(entry, nowMs)
  }

  /**
   * Of another life, ours or its own, or a replay: our boot and what we hold of it is all that it
   * needs. Not as often as somebody sends, so that no two can keep each other busy; and not more
   * than was sent, for its address may have been borrowed.
   */
  #introduce(entry: Entry, { boot, answerBytesMax }: PacketEvent, nowMs: number): void {
    if (nowMs - entry.introducedMs < this.#times.probeTimeoutMs * INTRODUCE_PART) return
    if (answerBytesMax < HEAD_BYTES_MIN) return
    entry.introducedMs = nowMs
    this.#send(entry, nowMs, {}, { accuse: true, toBoot: boot, bytesMax: answerBytesMax })
  }

  /** It speaks, and still we hold it for gone: it has not heard that, so it is told. */
  #accuse(entry: Entry, nowMs: number): void {
    if (entry.state === 'alive' || entry.state === 'left') return
    if (nowMs - entry.accusedMs < this.#times.probeTimeoutMs) return
    entry.accusedMs = nowMs
    this.#send(entry, nowMs)
  }

  #refuse(id: string, nowMs: number): void {
    const entry = this.#table.get(id)
    if (entry) this.#members.refuse(entry, nowMs)
  }

  #setLoad(load: LoadVector, nowMs: number): void {
    const capacity = this.#loads.newCapacity(load)
    if (capacity) this.#setMeta({ capacity })
    if (!this.#loads.setOwn(load, nowMs)) return
    this.#hurryWindow(nowMs)
    this.#pushes.hurry(nowMs + this.#times.newsIntervalMs)
  }

  #hurryWindow(nowMs: number): void {
    const soonMs = nowMs + this.#times.newsIntervalMs
    this.#gossipAtMs = Math.min(this.#gossipAtMs, soonMs)
  }

  #setMeta(change: Partial<MemberMeta>): void {
    const meta = { ...this.#self.meta, ...change }
    if (meta.hostPorts.length > HOST_PORTS_MAX) {
      throw new RangeError(`a member has at most ${HOST_PORTS_MAX} host ports`)
    }
    if (!sameMeta(meta, this.#self.meta)) this.#members.setMeta(meta)
  }

  #setMap(event: HeldMap & { mapHash: string }, nowMs: number): void {
    this.#mapEpoch = event.map.epoch
    this.#mapHash = event.mapHash
    this.#composer.setMapHash(event.mapHash)
    const { added, removed } = this.#members.setMap(event, nowMs)
    for (const { place } of removed) this.#board.forget(place.id)
    if (this.#running) this.#tell(added, nowMs)
  }

  /** Tells what changed: the caller now, the others soon. */
  #settle(nowMs: number): void {
    this.#members.refuteLate(nowMs)
    const { transitions, direct } = this.#members.drain()
    for (const { entry, before } of transitions) {
      const back = before === 'unreachable' || before === 'left'
      if (back && entry.state === 'alive') this.#detector.insert(entry.place.id)
      this.#effects.changes.push({ member: describe(entry, this.#board, nowMs), before })
    }
    if (!this.#running) return
    for (const entry of direct) this.#send(entry, nowMs)
    this.#tellNews(nowMs)
  }

  /** As long as there is news it is told every now and then; it wears off by being told. */
  #tellNews(nowMs: number): void {
    if (this.#news.size === 0) {
      this.#flushAtMs = Number.POSITIVE_INFINITY
      return
    }
    this.#flushAtMs = this.#lastFlushMs + this.#times.newsIntervalMs
    if (this.#flushAtMs > nowMs) return
    this.#sendToSome(nowMs, this.#times.gossipFanout)
    this.#lastFlushMs = nowMs
    this.#flushAtMs = nowMs + this.#times.newsIntervalMs
  }

  #say(to: Entry, nowMs: number, { stream = false, ...head }: Saying): void {
    this.#send(to, nowMs, head, { stream })
  }

  #send(to: Entry, nowMs: number, head: PacketHead = {}, options: SendOptions = {}): void {
    const payload = this.#composer.compose(to, head, nowMs, options)
    const { toBoot = to.boot, stream = false } = options
    this.#effects.sends.push({ to: to.place, toBoot, payload, stream })
  }
}
