/** How the upstreams answered the clients of one shard: what outliers are found by. By slots. */

/** What `Outcomes.take` tells of one upstream. */
export interface UpstreamOutcome {
  readonly url: string
  /** Since the last time: all, and those that failed (5xx, or no answer). */
  readonly requests: number
  readonly failed: number
  /** Now. */
  readonly inFlight: number
}

/** Which rule an upstream broke. */
export type InRow = '5xx' | 'gateway'

/** Failures in a row that are too many; 0: none are. */
export interface InRowLimits {
  readonly consecutive5xx: number
  readonly consecutiveGateway: number
}

export class Outcomes {
  readonly #requests: Int32Array
  readonly #failed: Int32Array
  readonly #inRow: Int32Array
  readonly #gatewayInRow: Int32Array
  readonly #limits: (InRowLimits | undefined)[] = []
  readonly #tooMany: (slot: number, rule: InRow, count: number) => void

  /** `tooMany`: called each time that so many failed in a row. */
  constructor(capacity: number, tooMany: (slot: number, rule: InRow, count: number) => void) {
    this.#requests = new Int32Array(capacity)
    this.#failed = new Int32Array(capacity)
    this.#inRow = new Int32Array(capacity)
    this.#gatewayInRow = new Int32Array(capacity)
    this.#tooMany = tooMany
  }

  setLimits(slot: number, limits: InRowLimits): void {
    this.#limits[slot] = limits
  }

  /** A newcomer has the slot, or the same upstream after it was away. */
  renew(slot: number): void {
    this.#requests[slot] = 0
    this.#failed[slot] = 0
    this.#inRow[slot] = 0
    this.#gatewayInRow[slot] = 0
  }

  /** It answered. */
  answered(slot: number, status: number): void {
    this.#requests[slot]! += 1
    if (status >= 500) this.#bad(slot, status >= 502 && status <= 504)
    else {
      this.#inRow[slot] = 0
      this.#gatewayInRow[slot] = 0
    }
  }

  /** It did not: no connection, a connection that broke, a time limit. */
  unanswered(slot: number): void {
    this.#requests[slot]! += 1
    this.#bad(slot, true)
  }

  /** What was counted since the last call. */
  take(slot: number): { requests: number; failed: number } {
    const taken = { requests: this.#requests[slot]!, failed: this.#failed[slot]! }
    this.#requests[slot] = 0
    this.#failed[slot] = 0
    return taken
  }

  #bad(slot: number, gateway: boolean): void {
    this.#failed[slot]! += 1
    this.#inRow[slot]! += 1
    this.#gatewayInRow[slot] = gateway ? this.#gatewayInRow[slot]! + 1 : 0
    const limits = this.#limits[slot]
    if (limits === undefined) return
    if (limits.consecutive5xx > 0 && this.#inRow[slot]! >= limits.consecutive5xx) {
      const count = this.#inRow[slot]!
      this.#inRow[slot] = 0
      this.#tooMany(slot, '5xx', count)
    } else if (
      limits.consecutiveGateway > 0 &&
      this.#gatewayInRow[slot]! >= limits.consecutiveGateway
    ) {
      const count = this.#gatewayInRow[slot]!
      this.#gatewayInRow[slot] = 0
      this.#tooMany(slot, 'gateway', count)
    }
  }
}
