/** What a process and its gossip thread say to each other. */
import type { ClusterMap, NodeEntry } from '../../config/schema.ts'
import type { ErrorBody } from '../../errors.ts'
import type { LogIdentity } from '../../log.ts'
import type { GossipInit } from '../gossip.ts'
import type {
  GossipCounts,
  JoinedNode,
  LoadVector,
  MapCensus,
  Member,
  MemberChange,
  MemberMeta,
} from '../types.ts'

export interface ThreadSetup {
  readonly gossip: GossipInit & { readonly boot: number }
  /** What was told of this member before the thread began. */
  readonly meta: Partial<MemberMeta>
  readonly load: LoadVector | undefined
  readonly log: { readonly identity: LogIdentity; readonly level: string }
}

export type ToThread =
  /** The main loop turns. */
  | { readonly type: 'beat' }
  | { readonly type: 'load'; readonly load: LoadVector }
  | { readonly type: 'meta'; readonly meta: Partial<MemberMeta> }
  | {
      readonly type: 'map'
      readonly map: ClusterMap
      readonly leaving: readonly NodeEntry[]
    }
  | { readonly type: 'keys'; readonly keys: readonly string[] }
  | { readonly type: 'refused'; readonly id: string }
  | { readonly type: 'join'; readonly node: JoinedNode }
  /** Answered with `over`, and with the end of the thread. */
  | { readonly type: 'leave' }
  | { readonly type: 'stop' }

/** A change, and whether the member is one still. */
export interface ToldChange extends MemberChange {
  readonly isGone: boolean
}

export type FromThread =
  | { readonly type: 'started'; readonly members: readonly Member[] }
  | { readonly type: 'failed'; readonly error: ErrorBody }
  | {
      readonly type: 'news'
      /** By the clock of all threads, `sharedMs`: ages are as of then. */
      readonly atMs: number
      readonly changes: readonly ToldChange[]
      readonly loads: readonly Pick<Member, 'id' | 'load' | 'loadAgeMs'>[]
      readonly counts: GossipCounts
      readonly opened: ReadonlyMap<string, number>
      readonly mapCensus: MapCensus
    }
  | { readonly type: 'over' }

/** Milliseconds on a clock that all threads of a process share; `performance.now` has one for each. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
