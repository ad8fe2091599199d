import { PAYLOAD_BYTES_MAX } from '../../gossip/envelope.ts'
import { PacketWriter } from '../../gossip/packet.ts'
import { type GossipTimes, PRESETS } from '../../gossip/presets.ts'
import type { LoadVector } from '../../gossip/types.ts'
import { type Random, randomInt } from '../../world.ts'
import type { VirtualClock } from '../virtual-clock.ts'

/** A node measures and tells its load so often. */
export const TELL_MS = 250
/** Loads of a node that may still be on a board somewhere. */
const KEPT = 128

export interface BoardNewsInit {
  readonly nodes: number
  /** Members that hear and tell, but have no load: fronts. */
  readonly fronts: number
  readonly loadOf: (node: number) => LoadVector
  readonly times?: GossipTimes
}

/**
 * The boards of a whole cluster, as gossip keeps them: every member sends a window of the rows that
 * are freshest to it, its own first, to a few random others. As `gossip/board.ts`, without the
 * datagrams: as many rows go into a window as fit into a real one. Members: first all nodes, then
 * the fronts.
 */
export class BoardNews {
  readonly rowsPerWindow: number
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #init: BoardNewsInit
  readonly #times: GossipTimes
  readonly #members: number
  /** By member and node: number of the newest load heard; 0: none. */
  readonly #heard: Uint32Array
  /** By node: when its first load was told. */
  readonly #firstMs: Float64Array
  readonly #told: Uint32Array
  readonly #loads: (LoadVector | undefined)[]

  constructor(components: { clock: VirtualClock; random: Random }, init: BoardNewsInit) {
    const { nodes, fronts } = init
    this.#clock = components.clock
    this.#random = components.random
    this.#init = init
    this.#times = init.times ?? PRESETS.lan
    this.#members = nodes + fronts
    this.#heard = new Uint32Array(this.#members * nodes)
    this.#firstMs = new Float64Array(nodes)
    this.#told = new Uint32Array(nodes)
    this.#loads = Array.from({ length: nodes * KEPT })
    this.rowsPerWindow = rowsThatFit(init.loadOf(0))
    for (let node = 0; node < nodes; node++) {
      this.#firstMs[node] = this.#random.next() * TELL_MS
      this.#clock.after(this.#firstMs[node]!, () => this.#tell(node))
    }
    for (let member = 0; member < this.#members; member++) {
      const phaseMs = this.#random.next() * this.#times.gossipIntervalMs
      this.#clock.after(phaseMs, () => this.#gossip(member))
    }
  }

  /** Number of the newest load of `node` that `member` has heard; 0: none. */
  number(member: number, node: number): number {
    return this.#heard[member * this.#init.nodes + node]!
  }

  load(member: number, node: number): LoadVector | undefined {
    const number = this.number(member, node)
    return number === 0 ? undefined : this.#loads[node * KEPT + (number % KEPT)]
  }

  /** Milliseconds since it was measured; of a node that was not heard of: Infinity. */
  ageMs(member: number, node: number): number {
    const number = this.number(member, node)
    if (number === 0) return Number.POSITIVE_INFINITY
    return this.#clock.nowMs() - this.#bornMs(node, number)
  }

  #bornMs(node: number, number: number): number {
    return this.#firstMs[node]! + (number - 1) * TELL_MS
  }

  #tell(node: number): void {
    const number = this.#told[node]! + 1
    this.#told[node] = number
    this.#loads[node * KEPT + (number % KEPT)] = this.#init.loadOf(node)
    this.#heard[node * this.#init.nodes + node] = number
    this.#clock.after(TELL_MS, () => this.#tell(node))
  }

  #gossip(member: number): void {
    const { gossipFanout, gossipIntervalMs } = this.#times
    const window = this.#window(member)
    for (let i = 0; i < Math.min(gossipFanout, this.#members - 1); i++) {
      const drawn = randomInt(this.#random, this.#members - 1)
      const other = drawn < member ? drawn : drawn + 1
      for (const node of window) this.#hear(other, node, this.number(member, node))
    }
    this.#clock.after(gossipIntervalMs, () => this.#gossip(member))
  }

  #hear(member: number, node: number, number: number): void {
    const at = member * this.#init.nodes + node
    if (this.#heard[at]! < number) this.#heard[at] = number
  }

  /** Its own row, then the freshest. */
  #window(member: number): number[] {
    const { nodes } = this.#init
    const best: number[] = []
    const born: number[] = []
    const most = Math.min(nodes, this.rowsPerWindow)
    for (let node = 0; node < nodes; node++) {
      const number = this.number(member, node)
      if (number === 0) continue
      const bornMs = node === member ? Number.POSITIVE_INFINITY : this.#bornMs(node, number)
      if (best.length === most && bornMs <= born[most - 1]!) continue
      let at = Math.min(best.length, most - 1)
      while (at > 0 && born[at - 1]! < bornMs) {
        best[at] = best[at - 1]!
        born[at] = born[at - 1]!
        at--
      }
      best[at] = node
      born[at] = bornMs
    }
    return best
  }
}

/** Rows like this that go into one datagram beside the sender's own claim. */
function rowsThatFit(load: LoadVector): number {
  const writer = new PacketWriter(PAYLOAD_BYTES_MAX)
  const id = 'n1000'
  const boot = 1_700_000_000_000
  writer.begin({}, PAYLOAD_BYTES_MAX)
  const meta = {
    incarnation: 1,
    poolPort: 40_000,
    hostPorts: [40_001],
    cordoned: false,
    draining: false,
  }
  writer.claim({ id, state: 'alive', boot, version: 1, meta, accusers: [] })
  let rows = 0
  while (writer.load({ id, boot, seq: 10_000, ageMs: 1_000, urgency: 0, load })) rows++
  return rows
}
