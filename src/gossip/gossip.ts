import type { ClusterMap } from '../config/schema.ts'
import type { Logger } from '../log.ts'
import type { World } from '../world.ts'
import type {
  LoadVector,
  Member,
  MemberChange,
  MemberMeta,
  MemberRole,
  Membership,
} from './types.ts'

export interface GossipInit {
  readonly selfId: string
  readonly role: MemberRole
  readonly map: ClusterMap
  /** Cluster key; empty: packets are neither authenticated nor encrypted. */
  readonly key: string
  readonly preset: 'lan' | 'wan' | 'quick'
}

/** Gossip over UDP: the driver of the core. */
export class Gossip implements Membership {
  readonly selfId: string

  constructor(_components: { log: Logger; world: World }, init: GossipInit) {
    this.selfId = init.selfId
  }

  /** Rejects with `ARIES_E_PORT_IN_USE` when the address of this member is taken. */
  async start(): Promise<void> {}

  async leave(): Promise<void> {}

  async stop(): Promise<void> {}

  members(): readonly Member[] {
    return []
  }

  member(_id: string): Member | undefined {
    return undefined
  }

  onChange(_listener: (change: MemberChange) => void): () => void {
    return () => {}
  }

  setLoad(_load: LoadVector): void {}

  setMeta(_meta: Partial<MemberMeta>): void {}

  /** Takes a whole new map: adds and removes members. */
  setMap(_map: ClusterMap): void {}

  /** Ids of members that hold another map under the same epoch. */
  mapMismatch(): string[] {
    return []
  }

  reportRefused(_id: string): void {}
}
