/** What a node is made of and from. */
import type { Config, NodeEntry } from '../config/schema.ts'
import type { GossipDriver } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world.ts'

export interface NodeComponents {
  readonly store: Store
  readonly gossip: GossipDriver
  readonly log: Logger
  readonly world: World
}

export interface NodeInit {
  readonly config: Config
  readonly entry: NodeEntry
  /** The map does not have it: it joins. */
  readonly joins: boolean
  /** Ends this node in order and starts it anew. */
  readonly restart: () => void
}
