/** The usual policies, after the sources that each names, behind the interface of the bench. */
import { type Random, randomInt } from '../../src/world.ts'
import type { Outcome, Policy, PolicyInit } from './policy.ts'

/** Uniform chance. */
export class RandomPolicy implements Policy {
  readonly #init: PolicyInit

  constructor(init: PolicyInit) {
    this.#init = init
  }

  pick(): number {
    return randomInt(this.#init.random, this.#init.backends)
  }

  sent(): void {}
  done(): void {}
}

/** One after the other, from a random one on. */
export class RoundRobin implements Policy {
  readonly #backends: number
  #next: number

  constructor({ backends, random }: PolicyInit) {
    this.#backends = backends
    this.#next = randomInt(random, backends)
  }

  pick(): number {
    this.#next = (this.#next + 1) % this.#backends
    return this.#next
  }

  sent(): void {}
  done(): void {}
}

abstract class Counting implements Policy {
  readonly inFlight: Int32Array
  readonly random: Random

  constructor({ backends, random }: PolicyInit) {
    this.inFlight = new Int32Array(backends)
    this.random = random
  }

  abstract pick(nowMs: number): number

  sent(backend: number, _nowMs: number): void {
    this.inFlight[backend]! += 1
  }

  done(backend: number, _outcome: Outcome): void {
    this.inFlight[backend]! -= 1
  }

  /** The one with the least `load` of all; ties at random. */
  least(load: (backend: number) => number): number {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    let ties = 0
    for (let i = 0; i < this.inFlight.length; i++) {
      const own = load(i)
      if (own < least) {
        best = i
        least = own
        ties = 1
      } else if (own === least && randomInt(this.random, ++ties) === 0) best = i
    }
    return best
  }

  /** The better of two distinct random ones. */
  ofTwo(load: (backend: number) => number): number {
    const n = this.inFlight.length
    const a = randomInt(this.random, n)
    const b = n === 1 ? a : (a + 1 + randomInt(this.random, n - 1)) % n
    return load(b) < load(a) ? b : a
  }
}

/** Fewest requests in flight of all (HAProxy `leastconn`, nginx `least_conn`). */
export class LeastConnections extends Counting {
  pick(): number {
    return this.least((i) => this.inFlight[i]!)
  }
}

/** Fewer in flight of two random ones (Mitzenmacher 2001; Envoy `LEAST_REQUEST`, `choice_count` 2). */
export class PowerOfTwo extends Counting {
  pick(): number {
    return this.ofTwo((i) => this.inFlight[i]!)
  }
}

const DECAY_MS = 10_000
/** Load of a backend that never answered and has requests: Finagle's `Long.MaxValue >> 16`. */
const PENALTY = 2 ** 47

/**
 * Finagle's peak EWMA (`PeakEwma.scala`): jumps to a latency above the average, decays to one below
 * with τ 10 s, times requests in flight and one; the better of two random ones.
 */
export class PeakEwma extends Counting {
  readonly #cost: Float64Array
  readonly #atMs: Float64Array

  constructor(init: PolicyInit) {
    super(init)
    this.#cost = new Float64Array(init.backends)
    this.#atMs = new Float64Array(init.backends)
  }

  pick(nowMs: number): number {
    return this.ofTwo((i) => this.#load(i, nowMs))
  }

  override done(backend: number, outcome: Outcome): void {
    super.done(backend, outcome)
    this.#observe(backend, outcome.nowMs - outcome.sentMs, outcome.nowMs)
  }

  #load(i: number, nowMs: number): number {
    this.#observe(i, 0, nowMs)
    const pending = this.inFlight[i]!
    if (this.#cost[i] === 0 && pending !== 0) return PENALTY + pending
    return this.#cost[i]! * (pending + 1)
  }

  #observe(i: number, ms: number, nowMs: number): void {
    const w = Math.exp(-Math.max(0, nowMs - this.#atMs[i]!) / DECAY_MS)
    this.#atMs[i] = nowMs
    this.#cost[i] = ms > this.#cost[i]! ? ms : this.#cost[i]! * w + ms * (1 - w)
  }
}

const ALPHA = 0.05
const FAIL_TIMEOUT_MS = 10_000
const SLOW_MS = 5_000
const BUCKET_MS = 20

/**
 * nginx 1.31 `least_time last_byte inflight` (`ngx_http_upstream_least_time_module.c`): EWMA with
 * weight 0.05 of the latency of successes, at least the mean age of what is in flight, halved for
 * each `fail_timeout` (10 s) in which it was not chosen, in steps of at most 20 ms; times requests
 * in flight and one. Ties by smooth round robin, here with equal weights.
 */
export class LeastTime extends Counting {
  readonly #ms: Float64Array
  readonly #chosenMs: Float64Array
  readonly #sentSum: Float64Array
  #turn = 0

  constructor(init: PolicyInit) {
    super(init)
    this.#ms = new Float64Array(init.backends)
    this.#chosenMs = new Float64Array(init.backends)
    this.#sentSum = new Float64Array(init.backends)
  }

  pick(nowMs: number): number {
    const n = this.inFlight.length
    this.#turn = (this.#turn + 1) % n
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k < n; k++) {
      const i = (this.#turn + k) % n
      const load = this.#load(i, nowMs)
      if (load >= least) continue
      best = i
      least = load
    }
    this.#turn = best
    return best
  }

  override sent(backend: number, nowMs: number): void {
    super.sent(backend, nowMs)
    this.#chosenMs[backend] = nowMs
    this.#sentSum[backend]! += nowMs
  }

  override done(backend: number, outcome: Outcome): void {
    super.done(backend, outcome)
    this.#sentSum[backend]! -= outcome.sentMs
    if (outcome.failed) return
    const latencyMs = outcome.nowMs - outcome.sentMs
    const ms = this.#ms[backend]!
    this.#ms[backend] = ms === 0 ? latencyMs : ms + ALPHA * (latencyMs - ms)
  }

  #load(i: number, nowMs: number): number {
    const pending = this.inFlight[i]!
    const idle = Math.floor((nowMs - this.#chosenMs[i]!) / (FAIL_TIMEOUT_MS + 1_000))
    let ms = this.#ms[i]! / 2 ** Math.min(30, idle)
    if (pending > 0) ms = Math.max(ms, nowMs - this.#sentSum[i]! / pending)
    if (ms > SLOW_MS) ms = SLOW_MS
    return Math.ceil(ms / BUCKET_MS) * BUCKET_MS * (1 + pending)
  }
}
