/**
 * What the members of the simulated cluster hear of each other. The protocol itself has a simulator
 * of its own; here it does what it may do at worst: news comes late, the dead are noticed after a
 * while, and now and then a living member is taken for dead.
 */
import type {
  GossipDriver,
  LoadVector,
  MapCensus,
  Member,
  MemberChange,
  MemberMeta,
  MemberState,
} from '../../gossip/types.ts'
import type { Random } from '../../world.ts'
import type { VirtualProcess } from '../runtime/process.ts'
import type { VirtualTcp } from '../runtime/tcp.ts'
import type { VirtualClock } from '../virtual-clock.ts'

const LOOK_MS = 40
const NOTICED_MS_MIN = 80
const NOTICED_MS_MAX = 250
const NEWS_MS_MAX = 30

const LOAD: LoadVector = {
  cpu: 1,
  cpuCapacity: 4,
  loop: 0,
  memoryBytes: 1e8,
  memoryBytesMax: 1e9,
  requests: 1,
  requestsMax: 100,
  connections: 1,
  connectionsMax: 1_000,
  ioBytesPerSecond: 0,
  workers: 1,
  classes: [],
  lagMs: 0,
}

const META: MemberMeta = {
  incarnation: 0,
  poolPort: 0,
  hostPorts: [],
  cordoned: false,
  draining: false,
}

export interface MemberPlace {
  readonly id: string
  readonly role: 'node' | 'front'
  readonly dataPort: number
}

export class VirtualGossip {
  readonly clock: VirtualClock
  readonly random: Random
  readonly tcp: VirtualTcp
  readonly places: readonly MemberPlace[]
  /** Who runs now, by member. */
  readonly running = new Map<string, GossipMember>()
  /** Chance at each look that a living member is taken for dead. */
  falseAlarms = 0

  constructor(
    components: { clock: VirtualClock; random: Random; tcp: VirtualTcp },
    places: readonly MemberPlace[],
  ) {
    this.clock = components.clock
    this.random = components.random
    this.tcp = components.tcp
    this.places = places
  }

  /** A member's gossip, for the process that it starts in. */
  member(id: string, owner: VirtualProcess): GossipMember {
    return new GossipMember(this, id, owner)
  }

  /** Whether news passes from one member to the other, directly or by a third one. */
  reaches(from: GossipMember, to: GossipMember): boolean {
    if (from.owner.dead || from.owner.paused || to.owner.dead || to.owner.paused) return false
    const passes = (a: string, b: string): boolean => a === b || !this.tcp.isCut(a, b)
    if (passes(from.owner.machine, to.owner.machine)) return true
    return [...this.running.values()].some(
      ({ owner }) =>
        !owner.dead &&
        !owner.paused &&
        passes(from.owner.machine, owner.machine) &&
        passes(owner.machine, to.owner.machine),
    )
  }
}

interface Seen {
  member: Member
  lostSinceMs: number | undefined
  noticedMs: number
}

export class GossipMember {
  readonly selfId: string
  readonly owner: VirtualProcess
  readonly #gossip: VirtualGossip
  readonly #seen = new Map<string, Seen>()
  readonly #listeners = new Set<(change: MemberChange) => void>()
  #meta: MemberMeta = META
  readonly #boot: number
  #left = false

  constructor(gossip: VirtualGossip, id: string, owner: VirtualProcess) {
    this.#gossip = gossip
    this.selfId = id
    this.owner = owner
    this.#boot = gossip.clock.wallMs()
    for (const place of gossip.places) {
      const isSelf = place.id === id
      const member: Member = {
        ...place,
        host: '127.0.0.1',
        gossipPort: 1,
        adminPort: 1,
        state: isSelf ? 'alive' : 'unreachable',
        boot: isSelf ? this.#boot : 0,
        version: 0,
        meta: META,
        load: isSelf ? LOAD : undefined,
        loadAgeMs: 0,
      }
      this.#seen.set(place.id, { member, lostSinceMs: 0, noticedMs: 0 })
    }
  }

  /** As production code takes it. */
  get asGossip(): GossipDriver {
    return this as unknown as GossipDriver
  }

  async start(): Promise<void> {
    this.#gossip.running.set(this.selfId, this)
    this.#look()
  }

  async leave(): Promise<void> {
    this.#left = true
    for (const other of this.#gossip.running.values()) {
      if (this.#gossip.reaches(this, other)) other.#set(this.selfId, { state: 'left' })
    }
  }

  async stop(): Promise<void> {
    this.#left = true
  }

  members(): readonly Member[] {
    return Array.from(this.#seen.values(), ({ member }) => member)
  }

  member(id: string): Member | undefined {
    return this.#seen.get(id)?.member
  }

  onChange(listener: (change: MemberChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setLoad(): void {}

  setMap(): void {}

  mapCensus(): MapCensus {
    return { holders: 1, others: [] }
  }

  setMeta(meta: Partial<MemberMeta>): void {
    this.#meta = { ...this.#meta, ...meta }
    this.#set(this.selfId, { meta: this.#meta })
    for (const other of this.#gossip.running.values()) {
      if (other !== this) this.#tell(other, this.#meta)
    }
  }

  reportRefused(id: string): void {
    const seen = this.#seen.get(id)
    if (seen && seen.lostSinceMs === undefined) {
      seen.lostSinceMs = this.#gossip.clock.nowMs()
      seen.noticedMs = 30
    }
  }

  #tell(other: GossipMember, meta: MemberMeta): void {
    this.#gossip.clock.after(this.#gossip.random.next() * NEWS_MS_MAX, () => {
      // What is lost now, the next look repeats.
      if (meta === this.#meta && this.#gossip.reaches(this, other)) other.#hear(this)
    })
  }

  #hear(from: GossipMember): void {
    if (from.#left) return
    const { meta } = from
    this.#set(from.selfId, { state: 'alive', refused: false, boot: from.#boot, meta, load: LOAD })
  }

  get meta(): MemberMeta {
    return this.#meta
  }

  #look(): void {
    const { clock, random, running } = this.#gossip
    clock.after(LOOK_MS * (0.5 + random.next()), () => {
      if (this.owner.dead || this.#left) return
      if (!this.owner.paused) {
        for (const [id, seen] of this.#seen) {
          if (id !== this.selfId) this.#lookAt(seen, running.get(id))
        }
      }
      this.#look()
    })
  }

  #lookAt(seen: Seen, other: GossipMember | undefined): void {
    const { clock, random } = this.#gossip
    const { member } = seen
    if (member.state === 'left' && other?.owner.dead !== false) return
    const lied = random.next() < this.#gossip.falseAlarms
    if (other && !lied && this.#gossip.reaches(other, this)) {
      seen.lostSinceMs = undefined
      this.#hear(other)
      return
    }
    if (seen.lostSinceMs === undefined) {
      seen.lostSinceMs = lied ? 0 : clock.nowMs()
      seen.noticedMs = NOTICED_MS_MIN + random.next() * (NOTICED_MS_MAX - NOTICED_MS_MIN)
    }
    const lostMs = clock.nowMs() - seen.lostSinceMs
    if (lostMs < seen.noticedMs) this.#set(member.id, { state: 'suspect' })
    else this.#set(member.id, { state: 'unreachable', refused: !other || other.owner.dead })
  }

  #set(id: string, news: Partial<Member> & { state?: MemberState }): void {
    const seen = this.#seen.get(id)
    if (!seen || this.owner.dead) return
    const before = seen.member
    if (news.state === 'suspect' && before.state !== 'alive') return
    const member = { ...before, ...news }
    seen.member = member
    const changed =
      before.state !== member.state || before.meta !== member.meta || before.boot !== member.boot
    if (!changed) return
    this.owner.run(() => {
      for (const listener of this.#listeners) listener({ member, before: before.state })
    })
  }
}
