/** What one seed showed. */
export interface SeedResult {
  /** Each a sentence: what did not hold, where, and at which virtual time. Empty: all held. */
  readonly violations: readonly string[]
  /** Figures of the run; the command adds them up over the seeds. */
  readonly stats: Readonly<Record<string, number>>
  /** Hash of everything that happened (`Trace.hash`). */
  readonly traceHash: string
  /** The last lines of it before the first violation, where the area keeps them. */
  readonly trace?: readonly string[]
}

/** A part of Aries that runs in the seeded world. */
export interface SimArea {
  readonly name: string
  /** One line for `--help`. */
  readonly about: string
  /** A function of `seed` and `quick` alone: no real clock, no real chance. */
  runSeed(seed: number, options: { quick: boolean }): SeedResult | Promise<SeedResult>
}
