/** Many seeds of a scenario under several policies, and what comes of it. */
import { POLICIES } from './policies.ts'
import { runScenario } from './run.ts'
import type { Scenario } from './schema.ts'

/** Figures of one policy over all seeds; a slowdown is relative to alone on the fastest machine. */
export interface PolicySummary {
  readonly policy: string
  readonly jobs: number
  /** Mean slowdown of all jobs of all seeds. */
  readonly meanByJob: number
  /** Mean over the seeds of the mean slowdown of each. */
  readonly meanByRun: number
  /** Median over the seeds of the mean slowdown of each. */
  readonly medianRun: number
  /** Median over the seeds of the median slowdown of each. */
  readonly medianJob: number
  readonly movesPerJob: number
  readonly restarts: number
}

/** How one policy compares with another on the same jobs. */
export interface Ratio {
  readonly policy: string
  readonly to: string
  /** Of the means by run, as the paper has it. */
  readonly ofMeans: number
  /** Of the medians over the seeds. */
  readonly ofMedians: number
  /** Median over the seeds of the ratio within each. */
  readonly medianOfPairs: number
  /** What was published of it, when anything was. */
  readonly published?: number
}

export interface Comparison {
  readonly scenario: string
  readonly machines: number
  readonly seeds: number
  readonly policies: PolicySummary[]
  readonly ratios: Ratio[]
}

/** What each policy made of each seed. */
export class Results {
  readonly #scenario: Scenario
  readonly #runs: ReadonlyMap<string, RunFigures[]>

  constructor(scenario: Scenario, policies: readonly string[]) {
    this.#scenario = scenario
    this.#runs = new Map(policies.map((policy) => [policy, []]))
  }

  /** Runs the next seed under every policy. */
  runSeed(seed: number): void {
    for (const [policy, runs] of this.#runs) {
      const { slowdowns, moves, restarts } = runScenario(
        this.#scenario,
        POLICIES.get(policy)!,
        seed,
      )
      const mean = meanOf(slowdowns)
      runs.push({ jobs: slowdowns.length, mean, median: medianOf(slowdowns), moves, restarts })
    }
  }

  compare(): Comparison {
    const policies = [...this.#runs].map(([policy, runs]) => summary(policy, runs))
    const [first] = this.#runs.values()
    return {
      scenario: this.#scenario.name,
      machines: this.#scenario.machines.length,
      seeds: first?.length ?? 0,
      policies,
      ratios: this.#ratios(),
    }
  }

  /** Those that were published, and every policy to the first one. */
  #ratios(): Ratio[] {
    const [first, ...rest] = this.#runs.keys()
    const published = this.#scenario.published.filter(
      ({ policy, to }) => this.#runs.has(policy) && this.#runs.has(to),
    )
    const ratios: Ratio[] = published.map(({ policy, to, ratio }) => ({
      ...this.#ratio(policy, to),
      published: ratio,
    }))
    const known = new Set(published.map(({ policy, to }) => `${policy} ${to}`))
    for (const policy of rest) {
      if (!known.has(`${policy} ${first}`)) ratios.push(this.#ratio(policy, first!))
    }
    return ratios
  }

  #ratio(policy: string, to: string): Ratio {
    const own = this.#runs.get(policy)!.filter(({ jobs }) => jobs > 0)
    const other = this.#runs.get(to)!.filter(({ jobs }) => jobs > 0)
    const means = (runs: readonly RunFigures[]): number[] => runs.map(({ mean }) => mean)
    return {
      policy,
      to,
      ofMeans: meanOf(means(own)) / meanOf(means(other)),
      ofMedians: medianOf(means(own)) / medianOf(means(other)),
      medianOfPairs: medianOf(own.map(({ mean }, i) => mean / other[i]!.mean)),
    }
  }
}

interface RunFigures {
  readonly jobs: number
  readonly mean: number
  readonly median: number
  readonly moves: number
  readonly restarts: number
}

function summary(policy: string, runs: readonly RunFigures[]): PolicySummary {
  const busy = runs.filter(({ jobs }) => jobs > 0)
  const sum = (figure: (run: RunFigures) => number): number =>
    busy.reduce((total, run) => total + figure(run), 0)
  const jobs = sum((run) => run.jobs)
  return {
    policy,
    jobs,
    meanByJob: sum((run) => run.mean * run.jobs) / jobs,
    meanByRun: meanOf(busy.map(({ mean }) => mean)),
    medianRun: medianOf(busy.map(({ mean }) => mean)),
    medianJob: medianOf(busy.map(({ median }) => median)),
    movesPerJob: sum((run) => run.moves) / jobs,
    restarts: sum((run) => run.restarts),
  }
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

function medianOf(values: Iterable<number>): number {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
