/**
 * Prices of one more request at each node, in shared memory: the front's main thread hears the
 * board and writes, every shard reads on each request.
 *
 * With `k` requests more in flight than the news knew of, one more costs
 * `base + cpuSlope·e^(cpuGrowth·k) + requestSlope·e^(requestGrowth·k)`: the derivative of the
 * machine's cost (`cost.ts`) times the demand of a request. All powers, the age and `repel` go into
 * the slopes when news is written, so that a shard needs two exponentials per candidate.
 *
 * Writers and readers do not lock: every figure is a value of its own, and a request priced half by
 * old and half by new news is priced well enough.
 */
import type { LoadVector } from '../gossip/types.ts'
import {
  costBase,
  discounted,
  IO_BYTES_PER_SECOND_MAX,
  type MeanLoad,
  price,
  REQUEST_DEMAND,
  requestsCapacity,
} from './cost.ts'

const FLOATS = 5
/** Words before the list of open slots: how many are open. */
const HEADER_INTS = 2

export class RequestPrices {
  readonly capacity: number
  readonly base: Float64Array
  readonly cpuSlope: Float64Array
  readonly cpuGrowth: Float64Array
  readonly requestSlope: Float64Array
  readonly requestGrowth: Float64Array
  /** Number of the newest news of each slot: it changes when a new load vector was told. */
  readonly news: Int32Array
  /** `open[0..openCount)`: slots that may be chosen. */
  readonly open: Int32Array
  readonly #header: Int32Array

  /** `buffer` has at least `RequestPrices.byteLength(capacity)` bytes, zeroed. */
  constructor(buffer: ArrayBufferLike, capacity: number) {
    this.capacity = capacity
    const floats = (i: number): Float64Array =>
      new Float64Array(buffer, i * capacity * Float64Array.BYTES_PER_ELEMENT, capacity)
    this.base = floats(0)
    this.cpuSlope = floats(1)
    this.cpuGrowth = floats(2)
    this.requestSlope = floats(3)
    this.requestGrowth = floats(4)
    const ints = FLOATS * capacity * Float64Array.BYTES_PER_ELEMENT
    const int = Int32Array.BYTES_PER_ELEMENT
    this.#header = new Int32Array(buffer, ints, HEADER_INTS)
    this.open = new Int32Array(buffer, ints + HEADER_INTS * int, capacity)
    this.news = new Int32Array(buffer, ints + (HEADER_INTS + capacity) * int, capacity)
  }

  static byteLength(capacity: number): number {
    return (
      FLOATS * capacity * Float64Array.BYTES_PER_ELEMENT +
      (HEADER_INTS + 2 * capacity) * Int32Array.BYTES_PER_ELEMENT
    )
  }

  get openCount(): number {
    return this.#header[0]!
  }

  /** Writer: prices of `slot` from its newest load; call again as it ages. `mean`: of all nodes. */
  write(
    slot: number,
    load: LoadVector,
    told: {
      readonly ageMs: number
      readonly mean: MeanLoad
      readonly nMachines: number
      readonly repel: number
      /** Counts up with each new load vector of this node. */
      readonly news: number
    },
  ): void {
    const base = costBase(told.nMachines)
    const now = discounted(load, told.ageMs, told.mean)
    const growth = (demand: number, capacity: number): number =>
      (Math.log(base) * demand) / capacity
    const slope = (used: number, demand: number, capacity: number): number =>
      price(base, used, capacity) * growth(demand, capacity) * told.repel
    const { memoryBytes, requests } = REQUEST_DEMAND
    const cpu = cpuPerRequest(told.mean, now)
    const requestsMax = requestsCapacity(now, told.mean.scale)
    this.base[slot] =
      slope(now.memoryBytes, memoryBytes, now.memoryBytesMax) +
      slope(now.ioBytesPerSecond, memoryBytes, IO_BYTES_PER_SECOND_MAX)
    this.cpuSlope[slot] = slope(now.cpu, cpu, now.cpuCapacity)
    this.cpuGrowth[slot] = growth(cpu, now.cpuCapacity)
    this.requestSlope[slot] = slope(now.requests, requests, requestsMax)
    this.requestGrowth[slot] = growth(requests, requestsMax)
    this.news[slot] = told.news
  }

  /** Writer: the slots that may be chosen from now on. */
  setOpen(slots: readonly number[]): void {
    this.open.set(slots)
    Atomics.store(this.#header, 0, slots.length)
  }
}

/**
 * Cores that a request in flight uses: what all machines use, over the requests in flight at all of
 * them. It is too high where other work uses the CPU; then own requests weigh more than they should
 * until the next news, which spreads them: the safe side.
 */
function cpuPerRequest(mean: MeanLoad, load: LoadVector): number {
  const cores = mean.cpu * load.cpuCapacity
  const requests = mean.requests * load.requestsMax
  return Math.min(1, Math.max(REQUEST_DEMAND.cpu, cores / Math.max(requests, 1e-9)))
}
