import { balanceSchema } from '../../src/config/schema/balance.ts'
import { RequestChooser } from '../../src/placement/request-chooser.ts'
import type { Outcome, Policy, PolicyInit } from './policy.ts'

/** The chooser of the front, with what the configuration has by default. */
export class Ours implements Policy {
  readonly #chooser: RequestChooser
  readonly #open: Int32Array
  /** By backend: when each request in flight was sent, and how many it found. */
  readonly #found: Map<number, number>[]

  constructor({ backends, random }: PolicyInit) {
    this.#chooser = new RequestChooser({ random }, { capacity: backends }, balanceSchema.parse({}))
    this.#open = Int32Array.from({ length: backends }, (_, i) => i)
    this.#found = Array.from({ length: backends }, () => new Map())
  }

  pick(nowMs: number): number {
    return this.#chooser.choose(this.#open, this.#open.length, nowMs)
  }

  sent(backend: number, nowMs: number): void {
    this.#found[backend]!.set(nowMs, this.#chooser.sent(backend, nowMs))
  }

  done(backend: number, { nowMs, sentMs, failed, requests, threads }: Outcome): void {
    const chooser = this.#chooser
    const found = this.#found[backend]!.get(sentMs) ?? 1
    this.#found[backend]!.delete(sentMs)
    if (requests >= 0) chooser.told(backend, requests, threads, nowMs)
    if (failed) chooser.failed(backend, sentMs, nowMs)
    else chooser.answered(backend, sentMs, nowMs, found)
    chooser.done(backend, nowMs)
  }
}
