import type { ClassConfig, Config, Near } from '../config/schema.ts'
import type { Membership } from '../gossip/types.ts'
import type { WorkerFigures } from '../host/ipc.ts'
import { formatWorkerId, parseWorkerId, type WorkerId } from '../identity.ts'
import type { Affinity, Traffic } from '../placement/affinity.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world.ts'
import type { OpenWorkers } from './open-workers.ts'
import type { SentWork } from './sent-work.ts'

/** Where another worker lives is asked of the store again after this. */
const KNOWN_MS = 5_000
const KNOWN_MAX = 10_000
/** Questions to the store that one round of the balancer may cause. */
const ASKED_MAX = 64

export interface AffinitiesComponents {
  readonly membership: Membership
  readonly store: Pick<Store, 'owner'>
  readonly open: OpenWorkers
  readonly sent: SentWork
  readonly clock: Clock
}

export interface AffinitiesInit {
  readonly node: string
  readonly config: () => Pick<Config, 'classes' | 'resources'>
}

/** What speaks for and against the places of a worker: the options of its class, and its traffic. */
export class Affinities {
  readonly #c: AffinitiesComponents
  readonly #init: AffinitiesInit
  /** Worker → the node that owned it, by the store; `undefined`: none did. */
  readonly #known = new Map<string, { node: string | undefined; atMs: number }>()

  constructor(components: AffinitiesComponents, init: AffinitiesInit) {
    this.#c = components
    this.#init = init
  }

  /** Of a worker, here or to be placed; `traffic` if its host has told of it. */
  of(id: WorkerId, traffic: WorkerFigures['traffic'] = []): Affinity | undefined {
    const config = this.#init.config().classes.get(id.class)
    if (!config) return undefined
    const { near, pin, spread, perNodeMax } = config
    if (!near && !pin && !spread && perNodeMax === undefined && traffic.length === 0) {
      return undefined
    }
    return {
      ...((pin || perNodeMax !== undefined) && {
        whyNot: (node: string) => this.#whyNot(node, id, config),
      }),
      ...(near && { near: this.#near(near, id) }),
      ...(spread && { others: (node: string) => this.#others(node, id) }),
      traffic: this.#traffic(traffic),
    }
  }

  /** Resolves when it is known where the worker is that this one is to be near. */
  async prepare(id: WorkerId): Promise<void> {
    const peer = this.#peerOf(id)
    if (peer && this.#isStale(formatWorkerId(peer))) await this.#ask(peer)
  }

  /** As `prepare`, later, for some of these. */
  refresh(ids: Iterable<WorkerId>): void {
    let asked = 0
    for (const id of ids) {
      const peer = this.#peerOf(id)
      if (!peer || !this.#isStale(formatWorkerId(peer))) continue
      if (++asked > ASKED_MAX) return
      void this.#ask(peer)
    }
  }

  /** A worker has moved from here: what is to be near it follows. */
  moved(id: WorkerId, node: string): void {
    this.#know(formatWorkerId(id), node)
  }

  /** Why a worker of that class may not come to this node; undefined: it may. */
  refusal(id: WorkerId): string | undefined {
    const { node } = this.#init
    const config = this.#init.config().classes.get(id.class)
    const why = config && this.#whyNot(node, id, config)
    return why === undefined ? undefined : `node ${node} does not take ${id.class}: ${why}`
  }

  #whyNot(node: string, id: WorkerId, { pin, perNodeMax }: ClassConfig): string | undefined {
    if (pin && !pin.includes(node)) return `pinned to ${pin.join(', ')}`
    if (perNodeMax === undefined) return undefined
    const others = this.#others(node, id)
    return others < perNodeMax ? undefined : `has ${others} of at most ${perNodeMax}`
  }

  /** Others of its class on the node. */
  #others(node: string, id: WorkerId): number {
    const { membership, open, sent } = this.#c
    if (node === this.#init.node) {
      return (open.classes.get(id.class) ?? 0) - (open.has(id) ? 1 : 0)
    }
    const told = membership.member(node)?.load?.classes.find(({ name }) => name === id.class)
    return (told?.workers ?? 0) + sent.ofClass(node, id.class)
  }

  #near(near: Near, id: WorkerId): readonly string[] {
    if ('node' in near) return [near.node]
    if ('resource' in near) return this.#init.config().resources[near.resource] ?? []
    const peer = this.#peerOf(id)!
    if (this.#c.open.has(peer)) return [this.#init.node]
    const node = this.#known.get(formatWorkerId(peer))?.node
    return node === undefined || node === this.#init.node ? [] : [node]
  }

  /** The worker that this one is to be near. */
  #peerOf(id: WorkerId): WorkerId | undefined {
    const near = this.#init.config().classes.get(id.class)?.near
    if (near && 'class' in near) return { class: near.class, key: id.key }
    if (near && 'worker' in near) return parseWorkerId(near.worker)
    return undefined
  }

  #isStale(name: string): boolean {
    const known = this.#known.get(name)
    return known === undefined || this.#c.clock.nowMs() - known.atMs > KNOWN_MS
  }

  async #ask(peer: WorkerId): Promise<void> {
    const name = formatWorkerId(peer)
    // Not twice at a time, and not at once again when the store does not answer.
    this.#know(name, this.#known.get(name)?.node)
    const record = await this.#c.store.owner(peer).catch(() => undefined)
    if (record) this.#know(name, record.ownerActive ? record.node : undefined)
  }

  #know(name: string, node: string | undefined): void {
    this.#known.delete(name)
    this.#known.set(name, { node, atMs: this.#c.clock.nowMs() })
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!)
  }

  #traffic(told: NonNullable<WorkerFigures['traffic']>): readonly Traffic[] {
    return told.map(({ node, address, messagesPerSecond, bytesPerSecond }) => ({
      nodes: node === undefined ? this.#nodesAt(address) : [node],
      messagesPerSecond,
      bytesPerSecond,
    }))
  }

  /** A front is not a node: what comes from its machine comes from every node there. */
  #nodesAt(address: string | undefined): string[] {
    const members = this.#c.membership.members()
    return members
      .filter(({ role, host }) => role === 'node' && host === address)
      .map(({ id }) => id)
  }
}
