import type { GossipTimes } from './presets.ts'

export interface SuspicionTimes {
  readonly minMs: number
  readonly maxMs: number
  /** Accusations beyond the first that shorten it to `minMs`. */
  readonly confirmations: number
}

/** From so many members on no single accuser ends a suspicion before its longest time. */
const CONFIRMED_FROM = 5

/** The bounds of a suspicion among `n` members (Lifeguard, with memberlist's formulas). */
export function suspicionTimes(
  times: Pick<
    GossipTimes,
    'suspicionMult' | 'suspicionMaxMult' | 'confirmations' | 'probeIntervalMs'
  >,
  n: number,
): SuspicionTimes {
  const minMs = shortestMs(times.suspicionMult, n, times.probeIntervalMs)
  // Too few members to confirm anything: waiting for them would only delay the verdict.
  const few = n < CONFIRMED_FROM && n - 2 < times.confirmations
  const confirmations = few ? 0 : Math.min(times.confirmations, n - 2)
  return { minMs, maxMs: minMs * times.suspicionMaxMult, confirmations }
}

/** `mult × max(1, log10 n) × interval`, the logarithm cut to thousandths. */
export function shortestMs(mult: number, n: number, probeIntervalMs: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, n)))
  return Math.floor((mult * probeIntervalMs * Math.floor(scale * 1_000)) / 1_000)
}

/** How long a suspicion with `confirmed` confirmations still lasts; negative: it is over. */
export function remainingMs(times: SuspicionTimes, confirmed: number, elapsedMs: number): number {
  const { minMs, maxMs, confirmations } = times
  if (confirmations < 1) return minMs - elapsedMs
  const part = Math.log(confirmed + 1) / Math.log(confirmations + 1)
  return Math.max(minMs, Math.floor(maxMs - part * (maxMs - minMs))) - elapsedMs
}

/** One member under suspicion: who accuses it, and when that becomes a verdict. */
export class Suspicion {
  readonly #times: SuspicionTimes
  readonly #accusers = new Set<string>()
  #startMs: number

  constructor(times: SuspicionTimes, startMs: number, accuser: string) {
    this.#times = times
    this.#startMs = startMs
    this.#accusers.add(accuser)
  }

  /** Counts an accuser once; false when it is known, or when there are enough. */
  confirm(accuser: string): boolean {
    if (this.#accusers.size > this.#times.confirmations || this.#accusers.has(accuser)) return false
    this.#accusers.add(accuser)
    return true
  }

  get accusers(): readonly string[] {
    return [...this.#accusers]
  }

  get deadlineMs(): number {
    return this.#startMs + remainingMs(this.#times, this.#accusers.size - 1, 0)
  }

  /** Our own pause is not the accused's fault. */
  postpone(pausedMs: number): void {
    this.#startMs += pausedMs
  }
}
