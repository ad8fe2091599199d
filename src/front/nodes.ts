/** The nodes as a shard knows them: where they are, and by the board how they are. */
import { type Random, sample } from '../world.ts'
import type { Board } from './board.ts'

/** What the main thread tells of a node once, and again when it changes. */
export interface NodeView {
  readonly id: string
  /** Its place on the board. */
  readonly slot: number
  readonly host: string
  readonly dataPort: number
  /** 0 while it has no pool. */
  readonly poolPort: number
  /** Of its host processes, but for those that have a worker to themselves. */
  readonly hostPorts: readonly number[]
}

/** Ports remembered of a node that it does not use any more. */
const RETIRED_MAX = 16

export class Nodes {
  readonly #board: Board
  readonly #random: Random
  readonly #byId = new Map<string, NodeView>()
  readonly #bySlot: (NodeView | undefined)[] = []
  /** By node: ports of host processes that are ending. */
  readonly #retired = new Map<string, readonly number[]>()

  constructor(components: { board: Board; random: Random }) {
    this.#board = components.board
    this.#random = components.random
  }

  set(views: readonly NodeView[]): void {
    for (const view of views) {
      this.#retire(view)
      this.#byId.set(view.id, view)
      this.#bySlot[view.slot] = view
    }
  }

  slotOf(id: string): number | undefined {
    return this.#byId.get(id)?.slot
  }

  bySlot(slot: number): NodeView | undefined {
    return this.#bySlot[slot]
  }

  /**
   * Whether the owner may be there: its node neither found dead nor gone, as far as gossip knows,
   * its host process not about to end. A node not heard of may be there.
   */
  mayBeThere(owner: { readonly node: string; readonly port: number }): boolean {
    const node = this.#byId.get(owner.node)
    if (node === undefined) return true
    return this.#isReachable(node) && !this.#retired.get(owner.node)?.includes(owner.port)
  }

  /** Nodes to ask something, in random order: those that may be alive; else all there are. */
  toAsk(count: number): NodeView[] {
    const all = [...this.#byId.values()].filter((node) => node.dataPort > 0)
    const reachable = all.filter((node) => this.#isReachable(node))
    return sample(this.#random, reachable.length > 0 ? reachable : all, count)
  }

  #retire({ id, hostPorts }: NodeView): void {
    const before = this.#byId.get(id)?.hostPorts ?? []
    const ports = [...(this.#retired.get(id) ?? []), ...before]
    const retired = ports.filter((port) => !hostPorts.includes(port))
    this.#retired.set(id, retired.slice(-RETIRED_MAX))
  }

  #isReachable(node: NodeView): boolean {
    const state = this.#board.state(node.slot)
    return state === 'alive' || state === 'suspect'
  }
}
