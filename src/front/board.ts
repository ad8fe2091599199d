/**
 * The board in shared memory: the front's main thread writes what gossip tells, every shard reads
 * it at each pick, without a message or a copy in between. One slot a member: its state, and what
 * one more request there costs (`RequestPrices`).
 */
import type { MemberState } from '../gossip/types.ts'
import { RequestPrices } from '../placement/request-prices.ts'

/** Members that a front can have heard of since its start. */
export const SLOTS_MAX = 4_096

const STATES: readonly MemberState[] = ['left', 'unreachable', 'suspect', 'alive']
const PRICES_BYTES = Math.ceil(RequestPrices.byteLength(SLOTS_MAX) / 8) * 8

export class Board {
  readonly buffer: SharedArrayBuffer
  readonly prices: RequestPrices
  readonly #states: Int32Array

  /** `buffer`: that of another thread's `Board`, to share it. */
  constructor(buffer = new SharedArrayBuffer(PRICES_BYTES + SLOTS_MAX * 4)) {
    this.buffer = buffer
    this.prices = new RequestPrices(buffer, SLOTS_MAX)
    this.#states = new Int32Array(buffer, PRICES_BYTES, SLOTS_MAX)
  }

  state(slot: number): MemberState {
    return STATES[Atomics.load(this.#states, slot)]!
  }

  setState(slot: number, state: MemberState): void {
    Atomics.store(this.#states, slot, STATES.indexOf(state))
  }
}
