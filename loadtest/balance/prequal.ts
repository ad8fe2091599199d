import { type Random, sample } from '../../src/world.ts'
import type { Policy, PolicyInit } from './policy.ts'

interface Probe {
  readonly backend: number
  requests: number
  readonly latencyMs: number
  readonly atMs: number
  uses: number
}

const POOL_MAX = 16
const PROBES_PER_QUERY = 3
const REMOVED_PER_QUERY = 1
const AGE_MAX_MS = 1_000
/** δ of the paper's budget of reuses. */
const DELTA = 1
/** Quantile of requests in flight from which on a backend is hot: 2^-0.25. */
const HOT_QUANTILE = 0.84
const SEEN_MAX = 128
/** Fewer probes than this in the pool: at random. */
const POOL_MIN = 2
/** Weight of the newest answer in the rate of errors, and from which rate on a backend is avoided. */
const ERROR_WEIGHT = 0.1
const ERROR_MIN = 0.1

/**
 * Prequal's hot-cold rule (Wydrowski et al., "Load is not what you should balance", NSDI 2024), with
 * the parameters of its evaluation: 3 asynchronous probes a query, 16 kept for at most a second and
 * used at most `b` times, one removed a query, the oldest and the worst in turns; the quantile of
 * requests in flight that divides hot from cold is 0.84.
 */
export class Prequal implements Policy {
  readonly #init: PolicyInit
  readonly #all: readonly number[]
  readonly #errors: Float64Array
  readonly #seen: number[] = []
  readonly #reuses: number
  #pool: Probe[] = []
  #removeOldest = false

  constructor(init: PolicyInit) {
    this.#init = init
    this.#all = Array.from({ length: init.backends }, (_, i) => i)
    this.#errors = new Float64Array(init.backends)
    const gained = (1 - POOL_MAX / Math.max(POOL_MAX + 1, init.backends)) * PROBES_PER_QUERY
    const net = gained - REMOVED_PER_QUERY
    this.#reuses = net > 0 ? Math.max(1, (1 + DELTA) / net) : Number.POSITIVE_INFINITY
  }

  pick(nowMs: number): number {
    this.#probe()
    this.#pool = this.#pool.filter((probe) => nowMs - probe.atMs <= AGE_MAX_MS)
    const sane = this.#pool.filter((probe) => !this.#isAvoided(probe.backend))
    if (sane.length < POOL_MIN) return this.#any(this.#init.random)
    const limit = this.#hotFrom()
    const best = sane.reduce((a, b) => (isBetter(b, a, limit) ? b : a))
    best.requests += 1
    best.uses += 1
    if (best.uses >= this.#reuses) this.#remove(best)
    this.#removeOne(limit)
    return best.backend
  }

  sent(): void {}

  done(backend: number, { failed }: { failed: boolean }): void {
    this.#errors[backend]! += ERROR_WEIGHT * ((failed ? 1 : 0) - this.#errors[backend]!)
  }

  #probe(): void {
    const { random, probe, clock } = this.#init
    for (const backend of sample(random, this.#all, PROBES_PER_QUERY)) {
      probe(backend, ({ requests, latencyMs }) => {
        this.#seen.push(requests)
        if (this.#seen.length > SEEN_MAX) this.#seen.shift()
        if (this.#pool.length >= POOL_MAX) this.#pool.shift()
        this.#pool.push({ backend, requests, latencyMs, atMs: clock.nowMs(), uses: 0 })
      })
    }
  }

  #hotFrom(): number {
    const sorted = this.#seen.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * HOT_QUANTILE))] ?? 0
  }

  #removeOne(limit: number): void {
    if (this.#pool.length === 0) return
    this.#removeOldest = !this.#removeOldest
    // Probes are kept in the order in which they came.
    const gone = this.#removeOldest
      ? this.#pool[0]!
      : this.#pool.reduce((a, b) => (isBetter(a, b, limit) ? b : a))
    this.#remove(gone)
  }

  #remove(probe: Probe): void {
    const at = this.#pool.indexOf(probe)
    if (at >= 0) this.#pool.splice(at, 1)
  }

  #isAvoided(backend: number): boolean {
    const rate = this.#errors[backend]!
    return rate > ERROR_MIN && this.#init.random.next() < rate
  }

  #any(random: Random): number {
    return Math.floor(random.next() * this.#init.backends)
  }
}

/** The cold with the least latency; when none is cold, the one with the fewest requests. */
function isBetter(a: Probe, b: Probe, hotFrom: number): boolean {
  const aHot = a.requests > hotFrom
  const bHot = b.requests > hotFrom
  if (aHot !== bHot) return bHot
  return aHot ? a.requests < b.requests : a.latencyMs < b.latencyMs
}
