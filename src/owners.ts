/**
 * Who owns which worker, as far as this process (or shard of a front) knows. A cached owner may be
 * wrong at any time; that costs one round trip, for the host itself says who is (421 with
 * `aries-owner`). What is not cached is resolved at a node, one resolve in flight per worker however
 * many requests wait for it, again and again until it succeeds or each has waited its time: this is
 * where requests to the workers of a dead node wait for the failover.
 */
import { AriesError, type ErrorCode, toAriesError } from './errors.ts'
import { formatWorkerId, type WorkerId } from './identity.ts'
import type { OwnerAddress } from './wire.ts'
import type { TimerHandle, World } from './world.ts'

export interface OwnersComponents {
  readonly world: World
  /** One attempt to find the owner; `suspect` could not be reached or is not the owner. */
  readonly resolve: (id: WorkerId, suspect: OwnerAddress | undefined) => Promise<OwnerAddress>
}

export interface OwnersInit {
  /** Requests that may wait at once, of all workers. */
  readonly waitingMax: number
  /** How long one request waits. */
  readonly timeoutMs: number
  /** The settings of these limits, for messages: `front.waitingMax`. */
  readonly settings: { readonly waitingMax: string; readonly timeoutMs: string }
}

/** Owners kept: two generations of this many. */
const GENERATION_MAX = 50_000
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 500

/** Answers of a node that trying again does not change. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'ARIES_E_BAD_REQUEST',
  'ARIES_E_CLASS_UNKNOWN',
  'ARIES_E_CLASS_OLDER',
  'ARIES_E_NO_NODE',
  'ARIES_E_WORKER_FAILED',
  'ARIES_E_UNAUTHORIZED',
  'ARIES_E_INTERNAL',
])

interface Waiter {
  readonly deadlineMs: number
  readonly resolve: (owner: OwnerAddress) => void
  readonly reject: (error: AriesError) => void
}

/** One worker being resolved, and who waits for it in order of deadline. */
interface Flight {
  readonly id: WorkerId
  readonly worker: string
  readonly waiters: Waiter[]
  suspect: OwnerAddress | undefined
  lastError: AriesError | undefined
  timer: TimerHandle | undefined
}

export class Owners {
  readonly #components: OwnersComponents
  #init: OwnersInit
  /** New ones and used ones; a full one becomes the old one, the old one is forgotten: LRU in O(1). */
  #recent = new Map<string, OwnerAddress>()
  #old = new Map<string, OwnerAddress>()
  readonly #flights = new Map<string, Flight>()
  #waiting = 0
  #resolves = 0
  #closed = false

  constructor(components: OwnersComponents, init: OwnersInit) {
    this.#components = components
    this.#init = init
  }

  setLimits(init: OwnersInit): void {
    this.#init = init
  }

  /** The cached owner of `worker` (as `formatWorkerId` writes it). */
  get(worker: string): OwnerAddress | undefined {
    const recent = this.#recent.get(worker)
    if (recent !== undefined) return recent
    const old = this.#old.get(worker)
    if (old !== undefined) this.#put(worker, old)
    return old
  }

  /** A host said who the owner is. Older news than what is known is dropped. */
  learn(worker: string, owner: OwnerAddress): void {
    const known = this.get(worker)
    if (known !== undefined && known.epoch > owner.epoch) return
    this.#put(worker, owner)
    const flight = this.#flights.get(worker)
    if (flight !== undefined && !isSame(owner, flight.suspect)) this.#settle(flight, owner)
  }

  /** Forgets `owner`, unless another has become known in the meantime. */
  forget(worker: string, owner: OwnerAddress): void {
    if (!isSame(owner, this.get(worker))) return
    this.#recent.delete(worker)
    this.#old.delete(worker)
  }

  /**
   * The owner, found by asking. `suspect`: the owner that failed; another one that is known by now
   * is answered at once. Rejects with `ARIES_E_TIMEOUT`, `ARIES_E_OVERLOADED`, or what a node said.
   */
  resolve(id: WorkerId, suspect?: OwnerAddress): Promise<OwnerAddress> {
    const worker = formatWorkerId(id)
    if (suspect !== undefined) this.forget(worker, suspect)
    const known = this.get(worker)
    if (known !== undefined) return Promise.resolve(known)
    if (this.#closed) return Promise.reject(stopping())
    if (this.#waiting >= this.#init.waitingMax) {
      return Promise.reject(
        new AriesError(
          'ARIES_E_OVERLOADED',
          `${this.#waiting} requests wait for an owner already (${this.#init.settings.waitingMax})`,
        ),
      )
    }
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#components.world.clock.nowMs() + this.#init.timeoutMs
      this.#waiting += 1
      this.#join({ id, worker, suspect }, { deadlineMs, resolve, reject })
    })
  }

  /** Rejects all who wait. */
  close(): void {
    this.#closed = true
    for (const flight of this.#flights.values()) this.#fail(flight, stopping())
  }

  stats(): { owners: number; waiting: number; resolves: number } {
    return {
      owners: this.#recent.size + this.#old.size,
      waiting: this.#waiting,
      resolves: this.#resolves,
    }
  }

  #put(worker: string, owner: OwnerAddress): void {
    this.#old.delete(worker)
    this.#recent.set(worker, owner)
    if (this.#recent.size < GENERATION_MAX) return
    this.#old = this.#recent
    this.#recent = new Map()
  }

  #join(wanted: Pick<Flight, 'id' | 'worker' | 'suspect'>, waiter: Waiter): void {
    const flying = this.#flights.get(wanted.worker)
    if (flying !== undefined) {
      flying.suspect = wanted.suspect ?? flying.suspect
      flying.waiters.push(waiter)
      if (flying.waiters.length === 1) this.#armDeadline(flying)
      return
    }
    const flight: Flight = {
      ...wanted,
      waiters: [waiter],
      lastError: undefined,
      timer: undefined,
    }
    this.#flights.set(wanted.worker, flight)
    this.#armDeadline(flight)
    void this.#fly(flight)
  }

  async #fly(flight: Flight): Promise<void> {
    let delayMs = RETRY_FIRST_MS
    while (flight.waiters.length > 0) {
      this.#resolves += 1
      try {
        const owner = await this.#components.resolve(flight.id, flight.suspect)
        this.#put(flight.worker, owner)
        this.#settle(flight, owner)
      } catch (thrown) {
        const error = toAriesError(thrown)
        if (FINAL.has(error.code)) this.#fail(flight, error)
        flight.lastError = error
      }
      if (flight.waiters.length === 0) break
      await this.#pause(delayMs)
      delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)
    }
    if (this.#flights.get(flight.worker) === flight) this.#flights.delete(flight.worker)
  }

  /** Half of `ms` to the whole: fronts that lost the same node do not ask in step. */
  #pause(ms: number): Promise<void> {
    const { clock, random } = this.#components.world
    return new Promise((resolve) => {
      clock.after(ms * (0.5 + random.next() / 2), resolve)
    })
  }

  #armDeadline(flight: Flight): void {
    const first = flight.waiters[0]
    if (first === undefined) return
    const { clock } = this.#components.world
    flight.timer = clock.after(Math.max(0, first.deadlineMs - clock.nowMs()), () => {
      const { lastError } = flight
      const error = new AriesError(
        // Nobody took too long: it could not be.
        lastError?.code === 'ARIES_E_STORE' ? 'ARIES_E_STORE' : 'ARIES_E_TIMEOUT',
        `${flight.worker} had no owner within ${this.#init.timeoutMs} ms (${this.#init.settings.timeoutMs})${
          lastError === undefined ? '' : `: ${lastError.message}`
        }`,
      )
      const nowMs = clock.nowMs()
      while (flight.waiters.length > 0 && flight.waiters[0]!.deadlineMs <= nowMs) {
        this.#waiting -= 1
        flight.waiters.shift()!.reject(error)
      }
      this.#armDeadline(flight)
    })
  }

  #settle(flight: Flight, owner: OwnerAddress): void {
    for (const waiter of this.#takeWaiters(flight)) waiter.resolve(owner)
  }

  #fail(flight: Flight, error: AriesError): void {
    for (const waiter of this.#takeWaiters(flight)) waiter.reject(error)
  }

  #takeWaiters(flight: Flight): Waiter[] {
    flight.timer?.cancel()
    this.#flights.delete(flight.worker)
    this.#waiting -= flight.waiters.length
    return flight.waiters.splice(0)
  }
}

function isSame(a: OwnerAddress, b: OwnerAddress | undefined): boolean {
  return (
    b !== undefined &&
    a.epoch === b.epoch &&
    a.node === b.node &&
    a.port === b.port &&
    a.host === b.host
  )
}

function stopping(): AriesError {
  return new AriesError('ARIES_E_NO_TARGET', 'the process is stopping')
}
