import type { AriesError } from '../../errors.ts'
import { NO_TARGET } from '../../placement/request-chooser.ts'
import { type Random, randomInt } from '../../world.ts'
import type { RouteMeter } from '../meters.ts'
import type { AttemptFailure, AttemptOutcome, Refusal, RequestHead, Target } from '../plan.ts'
import type { Upstream, Upstreams } from '../upstreams.ts'
import { type Balance, BalancedPicker } from './balanced.ts'
import type { Candidate } from './candidates.ts'
import type { Stickiness } from './stickiness.ts'
import type { UpstreamGroup } from './upstream-group.ts'

export interface UpstreamBalance extends Balance {
  readonly upstreams: Upstreams
  /** A connection to that upstream failed. */
  readonly onFailed: (upstream: Upstream, why?: string) => void
}

/** The upstreams of a route and who is bound to which; made once for all its requests. */
export interface BoundGroup {
  readonly group: UpstreamGroup
  readonly stickiness: Stickiness | undefined
  /** Statuses that another upstream may have a better answer for. */
  readonly retried: ReadonlySet<number>
  /** Of the route. */
  readonly meter: RouteMeter
}

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
    if (upstream.draining || tried?.has(upstream)) continue
    if (healthyOnly && !upstream.healthy) continue
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
  readonly #bound: BoundGroup
  readonly #group: UpstreamGroup
  readonly #retried: ReadonlySet<number>
  readonly #stickiness: Stickiness | undefined
  readonly #head: RequestHead
  #slot = NO_TARGET
  #upstream: Upstream | undefined

  constructor(balance: UpstreamBalance, bound: BoundGroup, head: RequestHead, isSecond = false) {
    const { group, stickiness, retried, meter } = bound
    super(balance, { line: group.line, meter }, 'upstreams', isSecond)
    this.#balance = balance
    this.#bound = bound
    this.#group = group
    this.#stickiness = stickiness
    this.#retried = retried
    this.#head = head
  }

  protected choose(nowMs: number, tried: ReadonlySet<number> | undefined): number {
    if (this.#stickiness !== undefined) {
      const bound = this.#stickiness.choose(this.#head, nowMs, tried)
      if (bound !== NO_TARGET) return bound
    }
    return this.#group.choose(nowMs, tried)
  }

  protected candidates(): readonly Candidate[] {
    return this.#group.candidates()
  }

  setCookie(): string | undefined {
    return this.#stickiness?.cookie(this.#head, this.#slot)
  }

  protected target(slot: number): Target | undefined {
    this.#upstream?.end()
    this.#slot = slot
    this.#upstream = this.#balance.upstreams.bySlot(slot)
    this.#upstream?.begin()
    return this.#upstream?.target(this.#group.forwarder)
  }

  protected override noted(slot: number, status: number): void {
    const { counted } = this.#balance.upstreams
    if (status === 0) counted.unanswered(slot)
    else counted.answered(slot, status)
  }

  protected unreachable(_: number, error: AriesError): void {
    if (this.#upstream !== undefined) this.#balance.onFailed(this.#upstream, error.message)
  }

  protected get noneMessage(): string {
    return 'the route has no upstream that takes new clients'
  }

  protected refusal({ status }: AttemptOutcome, mayRepeat: boolean): Refusal | undefined {
    return mayRepeat && this.#retried.has(status) ? 'failed' : undefined
  }

  second(): UpstreamPicker | undefined {
    const other = new UpstreamPicker(this.#balance, this.#bound, this.#head, true)
    other.recording = this.recording
    return other.follow(this) ? other : undefined
  }

  override resign(failure?: AttemptFailure): void {
    super.resign(failure)
    this.#leave()
  }

  override done(failure: AttemptFailure | undefined, ms: number): void {
    super.done(failure, ms)
    this.#leave()
  }

  #leave(): void {
    this.#upstream?.end()
    this.#upstream = undefined
  }
}
