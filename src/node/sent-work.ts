import type { LoadVector } from '../gossip/types.ts'

interface Sent {
  /** That was the newest when they were sent. */
  readonly load: LoadVector | undefined
  count: number
  readonly classes: Map<string, number>
}

/** The workers that this node sent to others, as far as the news of those cannot know of them. */
export class SentWork {
  readonly #load: (node: string) => LoadVector | undefined
  readonly #sent = new Map<string, Sent>()

  /** `load`: the newest that a node has told. */
  constructor(load: (node: string) => LoadVector | undefined) {
    this.#load = load
  }

  /** One more worker of that class is on its way to the node. */
  add(node: string, className: string): void {
    const sent = this.#since(node) ?? { load: this.#load(node), count: 0, classes: new Map() }
    sent.count++
    sent.classes.set(className, (sent.classes.get(className) ?? 0) + 1)
    this.#sent.set(node, sent)
  }

  count(node: string): number {
    return this.#since(node)?.count ?? 0
  }

  ofClass(node: string, className: string): number {
    return this.#since(node)?.classes.get(className) ?? 0
  }

  #since(node: string): Sent | undefined {
    const sent = this.#sent.get(node)
    if (!sent || sent.load === this.#load(node)) return sent
    this.#sent.delete(node)
    return undefined
  }
}
