/** Copies of a route's requests for other servers, whose answers nobody waits for. */
import type { z } from 'zod'
import type { mirrorSchema } from '../config/schema/route-terms.ts'
import type { Random } from '../world.ts'
import type { ShardStats } from './metrics.ts'
import type { Mirror, Target } from './plan.ts'
import { upstreamAddress } from './routes.ts'
import { targetOf } from './upstreams.ts'

/** Where the copies of one route go, and how many are on their way. */
export class RouteMirror implements Mirror {
  readonly #stats: ShardStats
  readonly #random: Random
  readonly #targets: readonly Target[]
  readonly #part: number
  readonly #inFlightMax: number
  #inFlight = 0
  #next = 0

  constructor(
    components: { readonly stats: ShardStats; readonly random: Random },
    config: z.output<typeof mirrorSchema>,
  ) {
    this.#stats = components.stats
    this.#random = components.random
    this.#targets = config.upstreams.map((url) => targetOf(upstreamAddress(url, 'http')))
    this.#part = config.part
    this.#inFlightMax = config.inFlightMax
  }

  get isWanted(): boolean {
    return this.#part === 1 || this.#random.next() < this.#part
  }

  begin(): Target | undefined {
    if (this.#inFlight >= this.#inFlightMax) {
      this.dropped()
      return undefined
    }
    this.#inFlight += 1
    this.#next = (this.#next + 1) % this.#targets.length
    return this.#targets[this.#next]
  }

  dropped(): void {
    this.#stats.mirrored.dropped += 1
  }

  ended(answered: boolean): void {
    this.#inFlight -= 1
    this.#stats.mirrored[answered ? 'answered' : 'failed'] += 1
  }
}
