import type { ClusterMap, NodeEntry } from '../config/schema.ts'
import { type Claim, compareStandings, NO_META } from './claim.ts'
import type { Suspicion } from './suspicion.ts'
import type { MemberMeta, MemberRole, MemberState } from './types.ts'

/** Where the map says that a member is. */
export interface Place {
  readonly id: string
  readonly role: MemberRole
  readonly host: string
  readonly gossipPort: number
  readonly dataPort: number
  readonly adminPort: number
}

/** The map, and nodes that it has no more but that are to be reached until they have left. */
export interface HeldMap {
  readonly map: ClusterMap
  readonly leaving?: readonly NodeEntry[]
}

/** Of those that joined and are gone, so many times what may be there are remembered. */
const GONE_PART = 2

export interface Doubt {
  state: 'suspect' | 'unreachable'
  untilMs: number
}

/** One member of the map, and the greatest claim heard of it. */
export interface Entry {
  place: Place
  /** Its place in the order of the map; -1: the map has it no more, or never had it. */
  index: number
  /** The map does not have it, it came by itself. */
  joined: boolean
  state: MemberState
  /** 0: never heard of. */
  boot: number
  version: number
  meta: MemberMeta
  /** Since when it has its state. */
  sinceMs: number
  suspicion: Suspicion | undefined
  /** What our own probes say of it while we are isolated; told to nobody. */
  doubt: Doubt | undefined
  /** Nobody listens at its ports: the process of this life is gone. */
  refused: boolean
  /** The map that it said it holds. */
  mapEpoch: number
  mapHash: string
  /** When a packet of its present life last came from it. */
  heardMs: number
  /** When a packet of another life of it, or of ours, was last answered. */
  introducedMs: number
  /** When it was last sent an accusation, and its whole table was last sent to it. */
  accusedMs: number
  syncedMs: number
  /** It was sent a digest, and has not answered with its own. */
  asked: boolean
}

/** Members that the map has: `unreachable` with boot 0 until something is heard of them. */
export class MemberTable {
  readonly #entries = new Map<string, Entry>()
  /** In the order of the map, by which rows of loads name them. */
  #order: Entry[] = []
  #others: Entry[] = []
  #keepId = ''
  #joinMax = 0

  get(id: string): Entry | undefined {
    return this.#entries.get(id)
  }

  values(): IterableIterator<Entry> {
    return this.#entries.values()
  }

  get size(): number {
    return this.#entries.size
  }

  /** All but the member that `setMap` was told to keep; their order is nobody's. */
  get others(): Entry[] {
    return this.#others
  }

  /** The member at this place in the map. */
  at(index: number): Entry | undefined {
    return this.#order[index]
  }

  /**
   * Makes the members those of `map`, and `keepId`, and those who are leaving; returns who came and
   * who is no more.
   */
  setMap(
    { map, leaving = [] }: HeldMap,
    keepId: string,
    nowMs: number,
  ): { added: Entry[]; removed: Entry[] } {
    this.#joinMax = map.join?.max ?? 0
    const declared = placesOf(map)
    const all = [...placesOf({ ...map, nodes: [...leaving], fronts: [] }), ...declared]
    const places = new Map(all.map((place) => [place.id, place]))
    const added: Entry[] = []
    const removed: Entry[] = []
    for (const [id, entry] of this.#entries) {
      const stays = id === keepId || (entry.joined && map.join !== undefined)
      if (stays || places.has(id)) continue
      this.#entries.delete(id)
      removed.push(entry)
    }
    for (const place of places.values()) {
      const known = this.#entries.get(place.id)
      if (known) {
        known.place = place
        known.joined = false
      } else added.push(this.#add(place, nowMs))
    }
    this.#order = declared.map(({ id }) => this.#entries.get(id)!)
    this.#keepId = keepId
    this.#listOthers()
    for (const entry of this.#entries.values()) entry.index = -1
    for (const [index, entry] of this.#order.entries()) entry.index = index
    return { added, removed }
  }

  /** Those that the map does not have. */
  joined(): Entry[] {
    return [...this.#entries.values()].filter(({ joined }) => joined)
  }

  /**
   * A node that the map does not have; undefined when there is no room for it. The member itself
   * needs none.
   */
  join(place: Place, nowMs: number, isSelf = false): Entry | undefined {
    const joined = this.joined()
    const present = joined.filter(({ state }) => state === 'alive' || state === 'suspect')
    const isFull = present.length >= this.#joinMax || joined.length >= GONE_PART * this.#joinMax
    if (isFull && !isSelf) return undefined
    const entry = this.#add(place, nowMs)
    entry.joined = true
    this.#listOthers()
    return entry
  }

  forget(id: string): void {
    this.#entries.delete(id)
    this.#listOthers()
  }

  #listOthers(): void {
    this.#others = [...this.#entries.values()].filter(({ place }) => place.id !== this.#keepId)
  }

  #add(place: Place, nowMs: number): Entry {
    const entry: Entry = {
      place,
      index: -1,
      joined: false,
      state: 'unreachable',
      boot: 0,
      version: 0,
      meta: NO_META,
      sinceMs: nowMs,
      suspicion: undefined,
      doubt: undefined,
      refused: false,
      mapEpoch: 0,
      mapHash: '',
      heardMs: Number.NEGATIVE_INFINITY,
      introducedMs: Number.NEGATIVE_INFINITY,
      accusedMs: Number.NEGATIVE_INFINITY,
      syncedMs: Number.NEGATIVE_INFINITY,
      asked: false,
    }
    this.#entries.set(place.id, entry)
    return entry
  }
}

/** Takes `claim` into `entry` if it is greater than what is known; false when it is not. */
export function admit(entry: Entry, claim: Claim, nowMs: number): boolean {
  if (compareStandings(claim, entry) <= 0) return false
  const sameLife = entry.boot === claim.boot && entry.version === claim.version
  if (entry.state !== claim.state) entry.sinceMs = nowMs
  entry.state = claim.state
  entry.boot = claim.boot
  entry.version = claim.version
  // One version has one meta, whoever tells it.
  if (!sameLife) entry.meta = claim.meta
  entry.suspicion = undefined
  if (!sameLife) entry.refused = false
  return true
}

/** The state of `entry` as this member acts on it: what is claimed of it, or our own doubt. */
export function seenState({ state, doubt }: Entry): MemberState {
  return doubt && (state === 'alive' || state === 'suspect') ? doubt.state : state
}

const NOBODY: readonly string[] = []

/** What is claimed of `entry`. */
export function claimOf(entry: Entry): Claim {
  const { state, boot, version, meta, place } = entry
  const accusers = entry.suspicion?.accusers ?? NOBODY
  const claim = { id: place.id, state, boot, version, meta, accusers }
  return entry.joined ? { ...claim, place } : claim
}

type NodePlace = Pick<NodeEntry, 'id' | 'host' | 'gossip' | 'data' | 'admin'>

export function placeOf({ id, host, gossip, data, admin }: NodePlace): Place {
  return { id, role: 'node', host, gossipPort: gossip, dataPort: data, adminPort: admin }
}

export function placesOf(map: ClusterMap): Place[] {
  const nodes = map.nodes.map(placeOf)
  const fronts = map.fronts.map(
    (front): Place => ({
      id: front.id,
      role: 'front',
      host: front.host,
      gossipPort: front.gossip,
      dataPort: 0,
      adminPort: front.admin,
    }),
  )
  return [...nodes, ...fronts]
}
