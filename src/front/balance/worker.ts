import { type AriesError, toAriesError } from '../../errors.ts'
import { formatWorkerId, type WorkerId } from '../../identity.ts'
import type { Owners } from '../../owners.ts'
import { HEADER, type OwnerAddress, parseOwner } from '../../wire.ts'
import type { Meters } from '../meters.ts'
import type { ShardStats } from '../metrics.ts'
import type { Nodes } from '../nodes.ts'
import type { AttemptFailure, AttemptOutcome, Target } from '../plan.ts'
import type { Recording } from '../recording.ts'
import { CountedPicker } from './counted.ts'

export interface WorkerBalance {
  readonly owners: Owners
  readonly nodes: Nodes
  readonly stats: ShardStats
  readonly meters: Meters
  /** For `aries-auth`; empty: none. */
  readonly token: () => string
  /** How long one request may look for its owner. */
  readonly timeoutMs: () => number
}

/**
 * From this attempt on there is a pause before the next: owners contradict each other, or the
 * process of the right one is being started again.
 */
const PAUSE_FROM_ATTEMPT = 3
const PAUSE_FIRST_MS = 25
const PAUSE_MAX_MS = 500

/**
 * A request of a worker goes to its owner and nowhere else. There is nothing to balance; what there
 * is to do is to believe the right one: the cache first, the host that answers 421 next, the nodes
 * last. An owner that could not be reached is told to the nodes as suspect, and the request waits
 * until they have found or made another one.
 */
export class WorkerPicker extends CountedPicker {
  readonly repeatable: boolean
  readonly #balance: WorkerBalance
  readonly #id: WorkerId
  readonly #worker: string
  #owner: OwnerAddress | undefined
  #attempts = 0
  #recording: Recording | undefined
  #deadlineMs = Number.POSITIVE_INFINITY

  /** `repeatable`: the request has an `Idempotency-Key`. */
  constructor(balance: WorkerBalance, id: WorkerId, repeatable: boolean) {
    super(balance.stats, 'worker')
    this.#balance = balance
    this.#id = id
    this.#worker = formatWorkerId(id)
    this.repeatable = repeatable
  }

  record(recording: Recording): void {
    this.#recording = recording
  }

  pick(failure?: AttemptFailure): Target | Promise<Target> {
    this.#attempts += 1
    if (failure !== undefined) return this.#pickAgain(failure)
    const owner = this.#balance.owners.get(this.#worker)
    if (owner === undefined || !this.#balance.nodes.mayBeThere(owner)) {
      return this.#resolve(owner)
    }
    return this.#target(owner)
  }

  override answered(outcome: AttemptOutcome): void {
    super.answered(outcome)
    const owner = outcome.owner === undefined ? undefined : parseOwner(outcome.owner)
    if (owner !== undefined) this.#balance.owners.learn(this.#worker, owner)
  }

  override done(failure: AttemptFailure | undefined, ms: number): void {
    if (failure !== undefined && this.#owner !== undefined && failure.phase !== 'not-owner') {
      this.#balance.owners.forget(this.#worker, this.#owner)
    }
    super.done(failure, ms)
  }

  async #pickAgain(failure: AttemptFailure): Promise<Target> {
    const nowMs = performance.now()
    if (this.#attempts === 2) this.#deadlineMs = nowMs + this.#balance.timeoutMs()
    if (nowMs > this.#deadlineMs) throw this.#timeUp(failure)
    const pauses = this.#attempts - PAUSE_FROM_ATTEMPT
    if (pauses >= 0) await pause(Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** pauses))
    if (failure.phase !== 'not-owner') return this.#resolve(this.#owner)
    const told = failure.owner === undefined ? undefined : parseOwner(failure.owner)
    if (told === undefined || told.epoch < (this.#owner?.epoch ?? 0)) {
      if (this.#owner !== undefined) this.#balance.owners.forget(this.#worker, this.#owner)
      return this.#resolve(undefined)
    }
    this.#balance.owners.learn(this.#worker, told)
    return this.#balance.nodes.mayBeThere(told) ? this.#target(told) : this.#resolve(told)
  }

  #timeUp(failure: AttemptFailure): AriesError {
    if (failure.phase !== 'not-owner') return this.answeredBy(failure.error)
    const timeoutMs = this.#balance.timeoutMs()
    return this.noTarget(
      `${this.#worker}: no owner took it in ${timeoutMs} ms (front.ownerTimeoutMs)`,
    )
  }

  async #resolve(suspect: OwnerAddress | undefined): Promise<Target> {
    try {
      return this.#target(await this.#balance.owners.resolve(this.#id, suspect))
    } catch (thrown) {
      throw this.answeredBy(toAriesError(thrown))
    }
  }

  #target(owner: OwnerAddress): Target {
    this.#owner = owner
    this.#recording?.considered([], 'owner')
    const token = this.#balance.token()
    const headers: [string, string][] = [
      [HEADER.worker, this.#worker],
      [HEADER.epoch, String(owner.epoch)],
    ]
    if (token !== '') headers.push([HEADER.auth, token])
    return this.goesTo({
      id: owner.node,
      poolKey: `${owner.host}:${owner.port}`,
      host: owner.host,
      port: owner.port,
      headers,
      meter: this.#balance.meters.target(owner.node),
    })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
