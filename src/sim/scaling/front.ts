import { meanLoad } from '../../placement/cost.ts'
import { RequestChooser } from '../../placement/request-chooser.ts'
import { RequestPrices } from '../../placement/request-prices.ts'
import type { Random } from '../../world.ts'
import type { BoardNews } from './board-news.ts'

/** Random nodes that a request's choice compares: the default of `placement.candidates`. */
const CANDIDATES = 3

/** One shard of a front: prices from its own board, its own requests in flight, the real chooser. */
export class SimFront {
  readonly #prices: RequestPrices
  readonly #chooser: RequestChooser
  readonly #news: BoardNews
  readonly #member: number
  readonly #nodes: number

  constructor(
    components: { news: BoardNews; random: Random },
    init: { readonly member: number; readonly nodes: number },
  ) {
    this.#news = components.news
    this.#member = init.member
    this.#nodes = init.nodes
    this.#prices = new RequestPrices(
      new ArrayBuffer(Math.ceil(RequestPrices.byteLength(init.nodes) / 8) * 8),
      init.nodes,
    )
    this.#chooser = new RequestChooser(this.#prices, {
      random: components.random,
      sample: CANDIDATES,
    })
  }

  /** Writes the prices as of now. */
  refresh(): void {
    const open: number[] = []
    const loads = []
    for (let node = 0; node < this.#nodes; node++) {
      const load = this.#news.load(this.#member, node)
      if (load === undefined) continue
      open.push(node)
      loads.push(load)
    }
    const mean = meanLoad(loads)
    for (const [at, node] of open.entries()) {
      this.#prices.write(node, loads[at]!, {
        ageMs: this.#news.ageMs(this.#member, node),
        mean: mean!,
        nMachines: open.length,
        repel: 1,
        news: this.#news.number(this.#member, node),
      })
    }
    this.#prices.setOpen(open)
  }

  /** The node that the next request goes to, counted as sent. */
  send(): number {
    const node = this.#chooser.choose()
    this.#chooser.sent(node)
    return node
  }

  done(node: number): void {
    this.#chooser.done(node)
  }
}
