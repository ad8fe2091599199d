import type { Policy, PolicyInit, Truth } from './policy.ts'

/** The order of the backends is made anew so often. */
const ORDER_MS = 1

/**
 * Knows the speed of each backend at each moment and how many requests each has: what no front can.
 * A free thread of the fastest backends that together are enough for the load; while there is none
 * the request waits at the front for the next that is free, a small part of a service time later.
 * What it does not know is what nobody can: the size of a request, and who will be disturbed next. So
 * its p99.9 is close to the least that is possible on these backends: what a figure that is asked for
 * is to be measured by, beside the rivals.
 */
export class Oracle implements Policy {
  readonly #truth: Truth
  readonly #inFlight: Int32Array
  readonly #slack: number
  #order: number[] = []
  #orderedMs = Number.NEGATIVE_INFINITY

  /** `slack`: capacity of the backends that are used, as a multiple of the load. */
  constructor({ backends, truth }: PolicyInit, slack: number) {
    if (truth === undefined) throw new Error('there are oracles in simulators only')
    this.#truth = truth
    this.#inFlight = new Int32Array(backends)
    this.#slack = slack
  }

  pick(nowMs: number): number {
    const { threads, speed, offered } = this.#truth
    if (nowMs - this.#orderedMs >= ORDER_MS) {
      this.#order = Array.from(this.#inFlight, (_, i) => i).sort((a, b) => speed(b) - speed(a))
      this.#orderedMs = nowMs
    }
    let enough = this.#slack * offered
    for (const backend of this.#order) {
      if (this.#inFlight[backend]! < threads) return backend
      enough -= threads * speed(backend)
      if (enough < 0) break
    }
    return -1
  }

  sent(backend: number): void {
    this.#inFlight[backend]! += 1
  }

  done(backend: number): void {
    this.#inFlight[backend]! -= 1
  }
}
