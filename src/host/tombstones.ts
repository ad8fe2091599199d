import type { OwnerAddress } from '../wire.ts'
import type { Clock } from '../world.ts'

/** How long it is remembered where a worker went: longer than fronts keep an owner unasked. */
const KEPT_MS = 60_000
const COUNT_MAX = 10_000

/** Where workers that lived here went, so that late requests find them. */
export class Tombstones {
  readonly #clock: Clock
  /** In order of their time, oldest first. */
  readonly #stones = new Map<string, { owner: OwnerAddress; untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(name: string, owner: OwnerAddress): void {
    this.#stones.delete(name)
    this.#stones.set(name, { owner, untilMs: this.#clock.nowMs() + KEPT_MS })
    for (const [oldest, { untilMs }] of this.#stones) {
      if (this.#stones.size <= COUNT_MAX && untilMs > this.#clock.nowMs()) break
      this.#stones.delete(oldest)
    }
  }

  get(name: string): OwnerAddress | undefined {
    const stone = this.#stones.get(name)
    return stone && stone.untilMs > this.#clock.nowMs() ? stone.owner : undefined
  }

  delete(name: string): void {
    this.#stones.delete(name)
  }
}
