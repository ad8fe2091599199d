import type { Member, MemberState } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import { meanLoad } from '../placement/cost.ts'
import { type Board, SLOTS_MAX } from './board.ts'
import type { NodeView } from './nodes.ts'

/** A node whose connections fail costs this many times as much at first; e-folding time of that. */
const REPEL_MAX = 1_000
const REPEL_FADE_MS = 1_000
/** Two told times further apart than this are two pieces of news. */
const SAME_NEWS_MS = 1

interface Entry {
  readonly slot: number
  toldAtMs: number
  news: number
  failedAtMs: number
}

/** Keeps the board in shared memory as gossip tells it. Main thread of the front. */
export class BoardWriter {
  readonly #board: Board
  readonly #log: Logger
  readonly #entries = new Map<string, Entry>()

  constructor(components: { board: Board; log: Logger }) {
    this.#board = components.board
    this.#log = components.log
  }

  /** A shard could not connect to the node's pool: it repels new requests for a while. */
  failed(id: string, nowMs: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.failedAtMs = nowMs
  }

  /** Writes states and prices as of now. Call often: prices change as news gets older. */
  refresh(members: readonly Member[], nowMs: number): void {
    const nodes = members.filter((member) => member.role === 'node')
    for (const member of nodes) this.#setState(member.id, member.state)
    const known = new Set(nodes.map((member) => member.id))
    for (const id of this.#entries.keys()) if (!known.has(id)) this.#setState(id, 'left')
    const open = openNodes(nodes)
    const loads = open.flatMap((member) => (member.load === undefined ? [] : [member.load]))
    const mean = meanLoad(loads)
    const slots: number[] = []
    for (const member of open) {
      const entry = this.#entry(member.id)
      if (entry === undefined) continue
      slots.push(entry.slot)
      if (member.load === undefined || mean === undefined) continue
      this.#hear(entry, nowMs - member.loadAgeMs)
      this.#board.prices.write(entry.slot, member.load, {
        ageMs: member.loadAgeMs,
        mean,
        nMachines: open.length,
        repel: 1 + REPEL_MAX * Math.exp((entry.failedAtMs - nowMs) / REPEL_FADE_MS),
        news: entry.news,
      })
    }
    this.#board.prices.setOpen(slots)
  }

  /** What shards need to know of the nodes among `members`. */
  views(members: readonly Member[]): NodeView[] {
    return members.flatMap((member) => {
      const entry = member.role === 'node' ? this.#entry(member.id) : undefined
      if (entry === undefined) return []
      const { id, host, dataPort, meta } = member
      const { poolPort, hostPorts } = meta
      return [{ id, slot: entry.slot, host, dataPort, poolPort, hostPorts }]
    })
  }

  #setState(id: string, state: MemberState): void {
    const entry = this.#entry(id)
    if (entry !== undefined) this.#board.setState(entry.slot, state)
  }

  #hear(entry: Entry, toldAtMs: number): void {
    if (Math.abs(toldAtMs - entry.toldAtMs) <= SAME_NEWS_MS) return
    entry.toldAtMs = toldAtMs
    entry.news += 1
  }

  #entry(id: string): Entry | undefined {
    const known = this.#entries.get(id)
    if (known !== undefined) return known
    if (this.#entries.size >= SLOTS_MAX) {
      this.#log.warn({ node: id, slotsMax: SLOTS_MAX }, 'the board is full, node not used')
      return undefined
    }
    const entry: Entry = {
      slot: this.#entries.size,
      toldAtMs: Number.NEGATIVE_INFINITY,
      news: 0,
      failedAtMs: Number.NEGATIVE_INFINITY,
    }
    this.#entries.set(id, entry)
    return entry
  }
}

/**
 * Nodes with a pool that may get requests: alive ones that want new work and whose load is known;
 * when there is none, any that may be alive, for a refusal would help nobody.
 */
function openNodes(nodes: readonly Member[]): Member[] {
  const pools = nodes.filter((member) => member.meta.poolPort > 0)
  const wanted = pools.filter(
    ({ state, meta }) => state === 'alive' && !meta.cordoned && !meta.draining,
  )
  const priced = wanted.filter((member) => member.load !== undefined)
  if (priced.length > 0) return priced
  if (wanted.length > 0) return wanted
  return pools.filter(({ state }) => state === 'alive' || state === 'suspect')
}
