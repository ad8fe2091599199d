import { availableParallelism } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { SeedResult, SimArea } from './area.ts'
import { areas } from './areas.ts'
import { gossipTable, ROW_KINDS, type RowKind, type TableRow } from './gossip-table.ts'
import { writeReport } from './report-file.ts'
import { runSeeds } from './seeds.ts'
import { walk } from './walk/walk.ts'

interface Options {
  readonly area: string
  readonly seeds: number
  readonly from: number
  readonly json?: string
  readonly quick: boolean
  readonly threads: number
  readonly bail: boolean
  readonly exhaustive: boolean
  readonly table: boolean
  readonly rows?: RowKind[]
}

interface Row {
  readonly area: string
  readonly seeds: number
  readonly from: number
  readonly violations: number
  readonly failedSeeds: number[]
  readonly seconds: number
  readonly stats: Record<string, number>
}

const QUICK_SEEDS = 20
const STATES_MAX = 3_000_000
const PROGRESS_INTERVAL_MS = 1_000

const options = new Command('sim')
  .description('Runs a core of Aries in the seeded world and checks its invariants.')
  .addOption(
    new Option('--area <area>', areas.map(({ name, about }) => `${name}: ${about}`).join('; '))
      .choices(areas.map(({ name }) => name))
      .makeOptionMandatory(),
  )
  .option('--seeds <n>', 'how many seeds to run', parseCount, 100)
  .option('--from <seed>', 'the first seed', parseCount, 1)
  .option('--threads <n>', 'how many threads share them', parseCount, availableParallelism())
  .option('--exhaustive', 'area move: walk through every order of events of a small case', false)
  .option('--table', 'area gossip: the figures of gossip beside those asked', false)
  .addOption(new Option('--rows <kind...>', 'with --table: these rows only').choices(ROW_KINDS))
  .option('--bail', 'stop at the first violation', false)
  .option('--json <file>', 'write the figures to a file')
  .option('--quick', `short runs, ${QUICK_SEEDS} seeds at most`, false)
  .parse()
  .opts<Options>()

if (options.table) printTable()
else {
  process.exitCode = options.exhaustive
    ? walkThrough()
    : await run(areas.find(({ name }) => name === options.area)!)
}

function printTable(): void {
  const rows: TableRow[] = []
  for (const row of gossipTable(options, options.rows)) {
    rows.push(row)
    const asked = row.asked === '' ? '' : ` (asked: ${row.asked})`
    console.log(`${row.ok ? ' ' : '!'} ${row.name}: ${row.measured}${asked}`)
    if (!row.ok) process.exitCode = 1
    if (options.json !== undefined) writeReport(options.json, rows)
  }
}

function walkThrough(): number {
  for (const small of [true, false]) {
    const beganMs = performance.now()
    const { violation, states, steps, ends, depth } = walk({
      small,
      duplicates: 1,
      statesMax: STATES_MAX,
    })
    const seconds = ((performance.now() - beganMs) / 1_000).toFixed(1)
    const state = small ? 'sent with the fence' : 'copied before the fence'
    console.log(`2 nodes, 1 front, 2 requests, 1 crash, 1 duplicate; state ${state}:`)
    console.log(`  ${states} states, ${steps} steps, ${ends} ends, depth ${depth}, ${seconds} s`)
    if (!violation) continue
    for (const step of violation.way) console.log(`    ${step}`)
    console.log(`  ${violation.what}`)
    return 1
  }
  return 0
}

async function run(area: SimArea): Promise<number> {
  const { from, quick, threads, bail } = options
  const seeds = quick ? Math.min(options.seeds, QUICK_SEEDS) : options.seeds
  const results = new Map<number, SeedResult['stats']>()
  const failedSeeds: number[] = []
  let violations = 0
  const beganMs = performance.now()
  let shownMs = beganMs
  await runSeeds({ area: area.name, quick, from, seeds, threads }, (seed, result) => {
    results.set(seed, result.stats)
    if (result.violations.length > 0) {
      failedSeeds.push(seed)
      violations += result.violations.length
      report(area, seed, result)
    }
    if (bail && violations > 0) return false
    if (performance.now() - shownMs < PROGRESS_INTERVAL_MS) return true
    shownMs = performance.now()
    const perSecond = (results.size / ((shownMs - beganMs) / 1_000)).toFixed(1)
    process.stderr.write(
      `${area.name}: ${results.size} of ${seeds} seeds, ${violations} violations, ${perSecond} seeds/s\n`,
    )
    return true
  })
  failedSeeds.sort((a, b) => a - b)
  const seconds = (performance.now() - beganMs) / 1_000
  finish({
    area: area.name,
    seeds: results.size,
    from,
    violations,
    failedSeeds,
    seconds,
    stats: sums(results),
  })
  return violations === 0 ? 0 : 1
}

/** In the order of the seeds, so that the last digits are the same too. */
function sums(results: ReadonlyMap<number, SeedResult['stats']>): Record<string, number> {
  const stats: Record<string, number> = {}
  for (const [, figures] of [...results].toSorted(([a], [b]) => a - b)) {
    for (const [name, value] of Object.entries(figures)) stats[name] = (stats[name] ?? 0) + value
  }
  return stats
}

function report(area: SimArea, seed: number, { violations, trace = [] }: SeedResult): void {
  const quick = options.quick ? ' --quick' : ''
  console.log(`seed ${seed}: ${violations.length} violations`)
  for (const line of trace) console.log(`    ${line}`)
  for (const violation of violations) console.log(`  ${violation}`)
  console.log(`  replay: npm run sim -- --area ${area.name} --seeds 1 --from ${seed}${quick}`)
}

function finish(row: Row): void {
  const figures = Object.entries(row.stats).map(([name, value]) => `${name} ${Math.round(value)}`)
  console.log(`${row.area}: ${row.seeds} seeds from ${row.from}, ${row.violations} violations`)
  console.log(`  ${row.seconds.toFixed(1)} s, ${(row.seeds / row.seconds).toFixed(1)} seeds/s`)
  console.log(`  sums: ${figures.join(', ')}`)
  if (options.json !== undefined) writeReport(options.json, [row])
}

function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 2 ** 31) {
    throw new InvalidArgumentError('a whole number from 1 is wanted')
  }
  return value
}
