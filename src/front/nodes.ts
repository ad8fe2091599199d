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
}

export class Nodes {
  readonly #board: Board
  readonly #random: Random
  readonly #byId = new Map<string, NodeView>()
  readonly #bySlot: (NodeView | undefined)[] = []

  constructor(components: { board: Board; random: Random }) {
    this.#board = components.board
    this.#random = components.random
  }

  set(views: readonly NodeView[]): void {
    for (const view of views) {
      this.#byId.set(view.id, view)
      this.#bySlot[view.slot] = view
    }
  }

  bySlot(slot: number): NodeView | undefined {
    return this.#bySlot[slot]
  }

  /** Neither found dead nor gone, as far as gossip knows. A node not heard of may be there. */
  mayBeThere(id: string): boolean {
    const node = this.#byId.get(id)
    return node === undefined || this.#isReachable(node)
  }

  /** Nodes to ask something, in random order: those that may be alive; else all there are. */
  toAsk(count: number): NodeView[] {
    const all = [...this.#byId.values()].filter((node) => node.dataPort > 0)
    const reachable = all.filter((node) => this.#isReachable(node))
    return sample(this.#random, reachable.length > 0 ? reachable : all, count)
  }

  #isReachable(node: NodeView): boolean {
    const state = this.#board.state(node.slot)
    return state === 'alive' || state === 'suspect'
  }
}
