import { dataTokens } from '../auth.ts'
import type { Config, NodeEntry } from '../config/schema.ts'
import type { MemberMeta } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { ProcessInfo } from '../rpc.ts'
import type { World } from '../world.ts'
import type { HostEvents } from './host-client.ts'
import { Hosts } from './hosts.ts'
import { Pools } from './pools.ts'

const GRACE_MS = 3_000

export interface ChildrenInit {
  readonly entry: NodeEntry
  /** As the node was started: most of what a process is set up with takes a restart to change. */
  readonly started: Config
  readonly config: () => Config
  readonly incarnation: () => number
}

export interface ChildrenEvents extends HostEvents {
  /** Other ports than before: everyone must hear. */
  readonly changed: () => void
}

/** The processes of a node: its pool and its hosts. */
export class Children {
  readonly pools: Pools
  readonly hosts: Hosts
  #tokens: readonly string[]

  constructor(
    components: { log: Logger; world: World },
    init: ChildrenInit,
    events: ChildrenEvents,
  ) {
    const { log, world } = components
    const { entry, started, config, incarnation } = init
    const setup = {
      node: entry.id,
      bind: entry.host,
      calls: { ...started.calls, answerBytesMax: started.host.bodyBytesMax },
      logLevel: started.log.level,
    }
    const generation = 1
    this.#tokens = dataTokens(started.keys)
    this.pools = new Pools(
      { log: log.child({ component: 'pool' }), world },
      {
        generation,
        setup: () => ({
          ...setup,
          tokens: this.#tokens,
          tasks: [...config().tasks],
          limits: config().pool,
        }),
      },
      events,
    )
    this.hosts = new Hosts(
      { log: log.child({ component: 'host' }), world },
      {
        generation,
        memoryMb: started.host.memoryMb,
        classes: () => config().classes,
        spare: started.host.spare,
        setup: (host) => ({
          ...setup,
          tokens: this.#tokens,
          host,
          incarnation: incarnation(),
          store: started.store,
          classes: [...config().classes],
          limits: config().host,
          move: config().move,
        }),
      },
      events,
    )
  }

  get infos(): ProcessInfo[] {
    return [...this.pools.infos, ...this.hosts.infos]
  }

  /** Requests and events that were answered in the last moments: tasks, and turns of workers. */
  get requestsPerSecond(): number {
    const hosts = this.hosts.all.map(({ workers }) => workers.requestsPerSecond)
    return hosts.reduce((sum, each) => sum + each, this.pools.stats.requestsPerSecond)
  }

  /** What everyone must know of them. */
  get ports(): Pick<MemberMeta, 'poolPort' | 'hostPorts'> {
    return { poolPort: this.pools.port, hostPorts: this.hosts.ports }
  }

  /** Why the node is not ready on their account. */
  get notes(): string[] {
    const notes: string[] = []
    if (!this.hosts.current) notes.push('the host process is starting')
    if (this.pools.port === 0) notes.push('the pool process is starting')
    return notes
  }

  async start(): Promise<void> {
    await Promise.all([this.pools.start(), this.hosts.start()])
  }

  async stop(): Promise<void> {
    await Promise.all([this.hosts.stop(GRACE_MS), this.pools.stop(GRACE_MS)])
  }

  /** Resolves when every process shows and accepts these. */
  async setTokens(tokens: readonly string[]): Promise<void> {
    this.#tokens = tokens
    await Promise.all([this.hosts.setTokens(tokens), this.pools.setTokens(tokens)])
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.hosts.setDead(node, dead)
    this.pools.setDead(node, dead)
  }

  /** Tells the processes of changed routes. */
  declare(config: Config): void {
    this.hosts.declare(config.classes)
    this.pools.declare(config.tasks)
  }
}
