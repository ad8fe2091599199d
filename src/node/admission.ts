import { isIsolated } from '../config/classes.ts'
import type { Config } from '../config/schema.ts'
import { isMinority, quorumOf } from '../gossip/quorum.ts'
import type { GossipDriver, LoadVector } from '../gossip/types.ts'
import type { WorkerId } from '../identity.ts'
import { MEMORY_FULL } from '../placement/limits.ts'
import type { HostClient } from './host-client.ts'
import type { OpenWorkers } from './open-workers.ts'

export interface AdmissionComponents {
  readonly gossip: Pick<GossipDriver, 'mapCensus' | 'member' | 'members' | 'setMeta'>
  readonly open: OpenWorkers
}

export interface AdmissionInit {
  readonly node: string
  readonly classes: () => Config['classes']
  /** Why no worker of that class may come; undefined: it may. */
  readonly classRefusal: (id: WorkerId) => string | undefined
  /** 0 while the node may own nothing. */
  readonly incarnation: () => number
}

/** Which workers a node takes, and what an operator has said about that. */
export class Admission {
  readonly #c: AdmissionComponents
  readonly #init: AdmissionInit
  #cordoned = false
  #draining = false
  #stopping = false
  #reserved: { readonly load: LoadVector; readonly bytes: number } | undefined

  constructor(components: AdmissionComponents, init: AdmissionInit) {
    this.#c = components
    this.#init = init
  }

  get cordoned(): boolean {
    return this.#cordoned
  }

  get draining(): boolean {
    return this.#draining
  }

  /** The node ends: nothing comes any more. */
  get stopping(): boolean {
    return this.#stopping
  }

  stop(): void {
    this.#stopping = true
  }

  set(flags: { draining?: boolean; cordoned?: boolean }): void {
    this.#draining = flags.draining ?? this.#draining
    this.#cordoned = flags.cordoned ?? this.#cordoned
    this.#c.gossip.setMeta({ draining: this.#draining, cordoned: this.#cordoned })
  }

  /** Why this node takes no workers now, or not this one; undefined when it does. */
  refusal(id?: WorkerId): string | undefined {
    const { node, classRefusal } = this.#init
    if (this.#stopping) return `node ${node} is stopping`
    if (this.#draining) return `node ${node} is draining`
    if (this.#cordoned) return `node ${node} is cordoned`
    return this.minority() ?? this.otherMap() ?? (id && classRefusal(id))
  }

  /**
   * Why it takes nothing new while most of the map is out of sight; undefined when it is not. The
   * store decides who owns, but who is cut off with few others is not where new work should begin.
   */
  minority(): string | undefined {
    const quorum = quorumOf(this.#c.gossip.members())
    if (!isMinority(quorum)) return undefined
    return `node ${this.#init.node} sees ${quorum.seen} of ${quorum.of} nodes, fewer than half`
  }

  /**
   * Why it takes nothing new while others hold another map under the same epoch; undefined where more
   * members hold ours than another: one wrong file must not stop the cluster.
   */
  otherMap(): string | undefined {
    const { holders, others } = this.#c.gossip.mapCensus()
    if (holders > others.length) return undefined
    return `node ${this.#init.node} holds another map under the same epoch than ${others.join(', ')}`
  }

  /** As `refusal`, of a worker that is to begin here: not where memory runs out. */
  newcomer(id: WorkerId): string | undefined {
    const refusal = this.refusal(id)
    if (refusal !== undefined) return refusal
    const { node } = this.#init
    const load = this.#c.gossip.member(node)?.load
    if (!load || load.memoryBytes <= load.memoryBytesMax * MEMORY_FULL) return undefined
    return `node ${node} has no memory for another worker`
  }

  /** Why a move may not bring this worker into that process; undefined when it may. */
  reserve(host: HostClient, id: WorkerId, stateBytes: number): string | undefined {
    const { node, classes, incarnation } = this.#init
    // From another process of this node: it takes no room that it has not now.
    const isHere = this.#c.open.has(id)
    const refusal = isHere ? undefined : this.refusal(id)
    if (refusal) return refusal
    if (host.retiring) return `the host process of node ${node} is being replaced`
    const config = classes().get(id.class)
    if (!config) return `class "${id.class}" is not configured here`
    const isOwn = host.own?.class === id.class && host.own.key === id.key
    if (isOwn !== isIsolated(config)) return 'that host process is not for this worker'
    if (incarnation() === 0) return `node ${node} is not registered`
    const load = isHere ? undefined : this.#c.gossip.member(node)?.load
    if (!load) return undefined
    const reserved = this.#reservedOn(load) + stateBytes
    if (load.memoryBytes + reserved > load.memoryBytesMax * MEMORY_FULL) {
      return `node ${node} has no memory for ${stateBytes} bytes`
    }
    this.#reserved = { load, bytes: reserved }
    return undefined
  }

  /** What was let in since that load was measured, and may not show in it. */
  #reservedOn(load: LoadVector): number {
    return this.#reserved?.load === load ? this.#reserved.bytes : 0
  }
}
