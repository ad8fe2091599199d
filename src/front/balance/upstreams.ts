import { type Random, randomInt } from '../../world.ts'
import type { AttemptOutcome, Refusal, Target } from '../plan.ts'
import type { Upstream, Upstreams } from '../upstreams.ts'
import { type Balance, BalancedPicker } from './balanced.ts'
import type { Line } from './lines.ts'

export interface UpstreamBalance extends Balance {
  readonly upstreams: Upstreams
  /** A connection to that upstream failed. */
  readonly onFailed: (upstream: Upstream) => void
}

/** The upstreams of a route, made once for all its requests. */
export interface UpstreamGroup {
  readonly slots: Int32Array
  readonly forwarder: 'aries' | 'http-proxy'
  readonly line: Line
}

/** Answers that another upstream may have a better one for: gateways and servers that are not well. */
const STATUS_MIN = 502
const STATUS_MAX = 504

/**
 * For a raw connection: the upstream with the fewest of them; ties at random. Among the healthy ones that were
 * not tried yet; when none of these is healthy, among the others too (panic): health checks may be
 * wrong about all of them, and a connection that fails there would have been refused here.
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

/** A request goes to the upstream where it costs least, among a random few of its route. */
export class UpstreamPicker extends BalancedPicker {
  readonly #balance: UpstreamBalance
  readonly #group: UpstreamGroup
  #upstream: Upstream | undefined

  constructor(balance: UpstreamBalance, group: UpstreamGroup) {
    super(balance, group.line, 'upstreams')
    this.#balance = balance
    this.#group = group
  }

  protected get targets(): { open: Int32Array; count: number } {
    const { slots } = this.#group
    return { open: slots, count: slots.length }
  }

  protected target(slot: number): Target | undefined {
    this.#upstream?.end()
    this.#upstream = this.#balance.upstreams.bySlot(slot)
    this.#upstream?.begin()
    return this.#upstream?.target(this.#group.forwarder)
  }

  protected unreachable(): void {
    if (this.#upstream !== undefined) this.#balance.onFailed(this.#upstream)
  }

  protected get noneMessage(): string {
    return 'the route has no upstream'
  }

  protected refusal({ status }: AttemptOutcome, mayRepeat: boolean): Refusal | undefined {
    return mayRepeat && status >= STATUS_MIN && status <= STATUS_MAX ? 'failed' : undefined
  }

  override done(...args: Parameters<BalancedPicker['done']>): void {
    super.done(...args)
    this.#upstream?.end()
    this.#upstream = undefined
  }
}
