import { AriesError } from '../errors.ts'
import { writeReport } from '../sim/report-file.ts'
import {
  type Comparison,
  type PolicySummary,
  type Ratio,
  Results,
} from '../sim/scenario/compare.ts'
import { loadScenario } from '../sim/scenario/load.ts'
import { POLICIES } from '../sim/scenario/policies.ts'
import type { Scenario } from '../sim/scenario/schema.ts'
import { count } from './format.ts'
import { print, remark } from './output.ts'
import { simulateScaling } from './simulate-scaling.ts'
import { type Column, table } from './table.ts'

const PROGRESS_INTERVAL_MS = 2_000
const QUICK_SEEDS = 20

export interface SimulateOptions {
  readonly scenario: string
  readonly policy?: readonly string[]
  readonly seeds: number
  readonly from: number
  readonly json?: string
  readonly quick?: boolean
}

/** `aries simulate` */
export function simulate(options: SimulateOptions): void {
  if (options.scenario === 'scaling') simulateScaling(options)
  else simulatePolicies(options)
}

function simulatePolicies(options: SimulateOptions): void {
  const asked = loadScenario(options.scenario)
  const rows: object[] = []
  for (const scenario of [asked, ...asked.beside.map(loadScenario)]) {
    if (scenario !== asked) print('')
    rows.push(...simulateOne(scenario, options))
  }
  if (options.json !== undefined) writeReport(options.json, rows)
}

/** Prints what came out; the same as rows. */
function simulateOne(scenario: Scenario, options: SimulateOptions): object[] {
  const results = new Results(scenario, policiesOf(options))
  const seeds = options.quick ? Math.min(QUICK_SEEDS, options.seeds) : options.seeds
  let shownMs = performance.now()
  for (let done = 0; done < seeds; done++) {
    results.runSeed(options.from + done)
    if (performance.now() - shownMs < PROGRESS_INTERVAL_MS) continue
    shownMs = performance.now()
    remark(`${scenario.name}: ${done + 1} of ${seeds} seeds`)
  }
  const comparison = results.compare()
  tell(scenario, comparison)
  const { policies, ratios, ...about } = comparison
  return [
    ...policies.map((row) => ({ kind: 'policy', ...about, ...row })),
    ...ratios.map((row) => ({ kind: 'ratio', ...about, ...row })),
  ]
}

function policiesOf(options: SimulateOptions): string[] {
  const names = [...new Set(options.policy ?? POLICIES.keys())]
  const unknown = names.filter((name) => !POLICIES.has(name))
  if (unknown.length === 0) return names
  throw new AriesError(
    'ARIES_E_CONFIG',
    `there is no policy ${unknown.join(', ')}; there are ${[...POLICIES.keys()].join(', ')}`,
  )
}

const POLICY_COLUMNS: readonly Column[] = [
  { title: 'SLOWDOWN' },
  { title: 'MEAN BY JOB', right: true },
  { title: 'MEAN BY SEED', right: true },
  { title: 'MEDIAN SEED', right: true },
  { title: 'MEDIAN JOB', right: true },
  { title: 'MOVES/JOB', right: true },
  { title: 'RESTARTS', right: true },
]

const RATIO_COLUMNS: readonly Column[] = [
  { title: 'RATIO' },
  { title: 'OF MEANS', right: true },
  { title: 'PUBLISHED', right: true },
  { title: 'OF MEDIANS', right: true },
  { title: 'MEDIAN OF PAIRS', right: true },
]

function tell(scenario: Scenario, comparison: Comparison): void {
  const { machines, seeds, policies, ratios } = comparison
  const jobs = count(policies[0]?.jobs ?? 0, 'job')
  print(
    `${scenario.name}: ${count(machines, 'machine')}, ${count(seeds, 'seed')}, ${jobs}; the same for all`,
  )
  if (scenario.about !== '') print(scenario.about.trim())
  print(`\n${table(POLICY_COLUMNS, policies.map(policyRow))}`)
  if (ratios.length > 0) print(`\n${table(RATIO_COLUMNS, ratios.map(ratioRow))}`)
}

function policyRow(row: PolicySummary): string[] {
  const slowdowns = [row.meanByJob, row.meanByRun, row.medianRun, row.medianJob]
  const figures = slowdowns.map((slowdown) => slowdown.toFixed(2))
  return [row.policy, ...figures, row.movesPerJob.toFixed(2), String(row.restarts)]
}

function ratioRow(row: Ratio): string[] {
  return [
    `${row.policy} / ${row.to}`,
    row.ofMeans.toFixed(3),
    row.published?.toFixed(3) ?? '',
    row.ofMedians.toFixed(3),
    row.medianOfPairs.toFixed(3),
  ]
}
