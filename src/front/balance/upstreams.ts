import { type Random, randomInt } from '../../world.ts'
import type { ShardStats } from '../metrics.ts'
import type { AttemptFailure, Target } from '../plan.ts'
import type { Upstream } from '../upstreams.ts'
import { CountedPicker } from './counted.ts'

export interface UpstreamBalance {
  readonly random: Random
  readonly stats: ShardStats
  /** A connection to that upstream failed. */
  readonly onFailed: (upstream: Upstream) => void
}

/**
 * The upstream with the fewest requests in flight; ties at random. Among the healthy ones that were
 * not tried yet; when none of these is healthy, among the others too (panic): health checks may be
 * wrong about all of them, and a request that fails there would have been refused here.
 *
 * Why not a price: nothing is known of a server that Aries did not start but how long it keeps
 * requests, and that is what the count in flight shows soonest.
 */
export function leastInFlight(
  upstreams: readonly Upstream[],
  random: Random,
  tried?: ReadonlySet<Upstream>,
): Upstream | undefined {
  return least(upstreams, random, tried, true) ?? least(upstreams, random, tried, false)
}

function least(
  upstreams: readonly Upstream[],
  random: Random,
  tried: ReadonlySet<Upstream> | undefined,
  healthyOnly: boolean,
): Upstream | undefined {
  let best: Upstream | undefined
  let ties = 0
  for (const upstream of upstreams) {
    if ((healthyOnly && !upstream.healthy) || tried?.has(upstream)) continue
    if (best === undefined || upstream.inFlight < best.inFlight) {
      best = upstream
      ties = 1
    } else if (upstream.inFlight === best.inFlight) {
      ties += 1
      if (randomInt(random, ties) === 0) best = upstream
    }
  }
  return best
}

export class UpstreamPicker extends CountedPicker {
  readonly #balance: UpstreamBalance
  readonly #upstreams: readonly Upstream[]
  readonly #forwarder: 'aries' | 'http-proxy'
  #upstream: Upstream | undefined
  #tried: Set<Upstream> | undefined

  constructor(
    balance: UpstreamBalance,
    upstreams: readonly Upstream[],
    forwarder: 'aries' | 'http-proxy',
  ) {
    super(balance.stats, 'upstreams')
    this.#balance = balance
    this.#upstreams = upstreams
    this.#forwarder = forwarder
  }

  pick(failure?: AttemptFailure): Target {
    if (failure !== undefined) this.#failed(failure)
    const upstream = leastInFlight(this.#upstreams, this.#balance.random, this.#tried)
    if (upstream === undefined) {
      throw failure === undefined
        ? this.noTarget('the route has no upstream')
        : this.refusal(failure.error)
    }
    this.#upstream = upstream
    upstream.begin()
    return upstream.target(this.#forwarder)
  }

  override done(failure?: AttemptFailure): void {
    if (failure !== undefined) this.#failed(failure)
    this.#release()
    super.done(failure)
  }

  #failed(failure: AttemptFailure): void {
    const upstream = this.#upstream
    if (upstream === undefined) return
    if (failure.phase === 'connect') this.#balance.onFailed(upstream)
    this.#tried ??= new Set()
    this.#tried.add(upstream)
    this.#release()
  }

  #release(): void {
    this.#upstream?.end()
    this.#upstream = undefined
  }
}
