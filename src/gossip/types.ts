/** What the rest of Aries sees of gossip: members, their states, their loads. */
import type { ClusterMap, NodeEntry } from '../config/schema.ts'

/** Classes told of in one load vector at most: it has to fit into datagrams with many others. */
export const CLASSES_TOLD_MAX = 16

/** What the workers of one class use on a node. */
export interface ClassLoad {
  readonly name: string
  /** How many of them live there. */
  readonly workers: number
  /** Cores that one of them uses, times `speed`, and bytes of its state: means. */
  readonly cpu: number
  readonly stateBytes: number
}

/**
 * What one member can do and does, as it tells it itself. Figures of CPU, memory and I/O are of the
 * share of the machine that it runs in (its cgroup, or the whole machine), whoever uses it.
 */
export interface LoadVector {
  /** Cores in use, times how long one waits for them, times `speed`: more than there are is overload. */
  readonly cpu: number
  /** Cores there are (cgroup-aware), times `speed`. */
  readonly cpuCapacity: number
  /** Busy part of the event loop that its workers run on, 0 to 1. */
  readonly loop: number
  /** Memory in use and the most that may be (cgroup-aware). */
  readonly memoryBytes: number
  readonly memoryBytesMax: number
  /** Requests in flight or queued (tasks and turns), and how many the node takes at most. */
  readonly requests: number
  readonly requestsMax: number
  /** Open client sessions and connections, and the most. */
  readonly connections: number
  readonly connectionsMax: number
  /** Bytes read and written per second (network and disk). */
  readonly ioBytesPerSecond: number
  /** Workers that live here. */
  readonly workers: number
  /** By class, those with most workers; see `CLASSES_TOLD_MAX`. */
  readonly classes: readonly ClassLoad[]
  /** 99th percentile of the control loop's lag in the last second. */
  readonly lagMs: number
}

/** The most that a member can do: what parts of its load are parts of. */
export interface Capacity {
  /** Cores, times `speed`. */
  readonly cpu: number
  readonly memoryBytes: number
  readonly requests: number
  readonly connections: number
}

export type MemberState = 'alive' | 'suspect' | 'unreachable' | 'left'
export type MemberRole = 'node' | 'front'

/** What a member tells of itself besides its load; changes seldom, at most 512 bytes packed. */
export interface MemberMeta {
  /** Incarnation that the store gave it; 0 for a front and before it is registered. */
  readonly incarnation: number
  /** TCP port of the pool process; 0 while it has none. */
  readonly poolPort: number
  /** TCP ports of the host processes. */
  readonly hostPorts: readonly number[]
  /** New placements are not wanted. */
  readonly cordoned: boolean
  /** Everything is being moved off. */
  readonly draining: boolean
  /** As it was when it last changed by more than a little; none before the first load. */
  readonly capacity?: Capacity
}

export interface Member {
  readonly id: string
  readonly role: MemberRole
  readonly host: string
  readonly gossipPort: number
  /** 0 for a front. */
  readonly dataPort: number
  readonly adminPort: number
  readonly state: MemberState
  /** It is not in the map, and has joined by itself: it has no vote. */
  readonly joined?: boolean
  /** Proved, not only suspected: nobody listens at its ports, its process is gone. */
  readonly refused?: boolean
  /** Wall clock of the member's start: a restarted member is a new one. 0: never heard of. */
  readonly boot: number
  /** Refutation counter within the boot. */
  readonly version: number
  readonly meta: MemberMeta
  /** Newest load heard of, and how old it was when asked. Undefined before the first. */
  readonly load: LoadVector | undefined
  readonly loadAgeMs: number
}

export interface MemberChange {
  readonly member: Member
  readonly before: MemberState | undefined
}

/** What others of the process see of gossip. */
export interface Membership {
  readonly selfId: string
  start(): Promise<void>
  /** Tells everyone that this member leaves, waits until it is probably heard, stops. */
  leave(): Promise<void>
  /** Stops at once, silently. */
  stop(): Promise<void>
  /** Every member of the map and every known one, itself included. */
  members(): readonly Member[]
  member(id: string): Member | undefined
  /** Calls back on every change of state, meta or boot (not of load). Returns the unsubscribe. */
  onChange(listener: (change: MemberChange) => void): () => void
  setLoad(load: LoadVector): void
  setMeta(meta: Partial<MemberMeta>): void
  /** Proof from a caller: nobody listens at the member's data port. Counts as a failed direct and indirect probe. */
  reportRefused(id: string): void
}

/** Datagrams since the start. */
export interface GossipCounts {
  readonly sent: number
  readonly received: number
  /** They came from no address of the map, and were not opened. */
  readonly strange: number
  /** They were more than one member may send, and were not opened. */
  readonly limited: number
  /** They were opened and not used. */
  readonly refused: number
}

/** Which of the members that are there hold a map of the same epoch. */
export interface MapCensus {
  /** How many hold the same map, this member included. */
  readonly holders: number
  /** Ids of those whose map has another content. */
  readonly others: readonly string[]
}

/** A node that is not in the map, as it says of itself where it is. */
export interface JoinedNode {
  readonly id: string
  /** An address, no name: it is told to all, and nobody looks up what others tell. */
  readonly host: string
  readonly gossip: number
  readonly data: number
  readonly admin: number
  readonly boot: number
}

/** The driver of gossip in a node or a front, as its owner sees it. */
export interface GossipDriver extends Membership {
  readonly counts: GossipCounts
  /** Datagrams that were opened, by the id of the key that they were sealed with. */
  openedByKey(): ReadonlyMap<string, number>
  /** Seals with the first key from now on, and opens with all. */
  setKeys(keys: readonly string[]): void
  /**
   * Takes a whole new map; removed members become `left` once, and are forgotten. `leaving` are
   * nodes that it has no more but that are to be reached until they have left.
   */
  setMap(map: ClusterMap, leaving?: readonly NodeEntry[]): void
  mapCensus(): MapCensus
  /** A node that the map does not have has come; `boot`: its life. It is told to all. */
  join(node: JoinedNode): void
}
