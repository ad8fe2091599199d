import type { Samples } from '../admin/metrics.ts'

/**
 * Phases of a failover, as a control loop sees them: from the first suspicion of a node to its
 * eviction, the eviction in the store, and then for each worker its claim and its opening.
 */
export const FAILOVER_PHASES = ['detect', 'evict', 'claim', 'open'] as const
export type FailoverPhase = (typeof FAILOVER_PHASES)[number]

/** Upper bounds of the buckets, milliseconds; one more takes the rest. */
const BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000] as const

interface Times {
  readonly counts: number[]
  sumMs: number
}

/** How long the phases of failovers took in which this node had a part, since its start. */
export class FailoverTimes {
  readonly #times = new Map<FailoverPhase, Times>(
    FAILOVER_PHASES.map((phase) => [
      phase,
      { counts: Array.from({ length: BOUNDS_MS.length + 1 }, () => 0), sumMs: 0 },
    ]),
  )

  add(phase: FailoverPhase, ms: number): void {
    const times = this.#times.get(phase)!
    const bucket = BOUNDS_MS.findIndex((bound) => ms <= bound)
    times.counts[bucket === -1 ? BOUNDS_MS.length : bucket]!++
    times.sumMs += ms
  }

  /** As a histogram of Prometheus: each bucket with all below it. */
  get buckets(): Samples {
    return [...this.#times].flatMap(([phase, { counts }]) => {
      let sum = 0
      return counts.map((count, i): Samples[number] => {
        sum += count
        const bound = BOUNDS_MS[i]
        return [{ phase, le: bound === undefined ? '+Inf' : String(bound / 1_000) }, sum]
      })
    })
  }

  get sums(): Samples {
    return [...this.#times].map(([phase, { sumMs }]) => [{ phase }, sumMs / 1_000])
  }

  get counts(): Samples {
    return [...this.#times].map(([phase, { counts }]) => [
      { phase },
      counts.reduce((sum, count) => sum + count, 0),
    ])
  }
}
