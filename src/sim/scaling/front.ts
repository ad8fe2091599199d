import { balanceSchema } from '../../config/schema/balance.ts'
import { meanLoad } from '../../placement/cost.ts'
import { RequestChooser } from '../../placement/request-chooser.ts'
import { RequestPrices } from '../../placement/request-prices.ts'
import type { ToldLoad } from '../../wire.ts'
import type { Random } from '../../world.ts'
import type { BoardNews } from './board-news.ts'

/** As `balance` of the configuration has it by default. */
const LIMITS = balanceSchema.parse({})

/** A request on its way. */
export interface Sent {
  readonly node: number
  readonly sentMs: number
  readonly found: number
}

/** One shard of a front: prices from its own board, its own requests in flight, the real chooser. */
export class SimFront {
  /** When each request came that waits because every node is full. */
  readonly line: number[] = []
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
    this.#chooser = new RequestChooser(
      { random: components.random, prices: this.#prices },
      { capacity: init.nodes },
      LIMITS,
    )
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

  /** Sends the next request; undefined: every node is full. */
  send(nowMs: number): Sent | undefined {
    const { open, openCount } = this.#prices
    const node = this.#chooser.choose(open, openCount, nowMs)
    if (node < 0) return undefined
    return { node, sentMs: nowMs, found: this.#chooser.sent(node, nowMs) }
  }

  /** It was answered; `load`: what the node told with the answer. */
  answered({ node, sentMs, found }: Sent, nowMs: number, load: ToldLoad): void {
    this.#chooser.told(node, load.requests, load.threads, nowMs)
    this.#chooser.answered(node, sentMs, nowMs, found)
    this.#chooser.done(node, nowMs)
  }

  refused({ node, sentMs }: Sent, nowMs: number): void {
    this.#chooser.failed(node, sentMs, nowMs)
    this.#chooser.done(node, nowMs)
  }
}
