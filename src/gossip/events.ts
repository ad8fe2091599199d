import type { MapVersion } from './header.ts'
import type { HeldMap, Place } from './member-table.ts'
import type { Packet } from './packet.ts'
import type { JoinedNode, LoadVector, MemberChange, MemberMeta } from './types.ts'

/** All that can happen to the core. */
export type GossipEvent =
  | { readonly type: 'start' }
  | { readonly type: 'tick' }
  | {
      readonly type: 'packet'
      readonly from: string
      /** The life of the sender. */
      readonly boot: number
      /** It was meant for this life of ours; otherwise it may be a replay and is not used. */
      readonly current: boolean
      /** The map that the sender holds. */
      readonly map: MapVersion
      /** A payload up to this makes an answer that is no larger than the question. */
      readonly answerBytesMax: number
      /** It came over TCP, and the answer goes back there. */
      readonly stream: boolean
      readonly packet: Packet
    }
  | { readonly type: 'load'; readonly load: LoadVector }
  | { readonly type: 'meta'; readonly meta: Partial<MemberMeta> }
  | ({ readonly type: 'map'; readonly mapHash: string } & HeldMap)
  | { readonly type: 'refused'; readonly id: string }
  /** A node that the map does not have has come to us; see `GossipDriver.join`. */
  | { readonly type: 'join'; readonly node: JoinedNode }
  | { readonly type: 'leave' }

export interface Send {
  readonly to: Place
  /** The life of the receiver that it is meant for; 0 when none is known. */
  readonly toBoot: number
  readonly payload: Buffer
  /** Over TCP: a probe on a connection of its own, an answer on the one that asked. */
  readonly stream: boolean
}

/** What the core wants done, in this order. */
export interface GossipEffects {
  /** The own boot from now on: an earlier life of ours had a greater one. */
  boot?: number
  /** It has changed who is reached, or where: see `GossipCore.joined`. */
  placed?: boolean
  readonly sends: Send[]
  readonly changes: MemberChange[]
}
