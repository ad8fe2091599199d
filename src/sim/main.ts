import { writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { SimArea } from './area.ts'
import { areas } from './areas.ts'

interface Options {
  readonly area: string
  readonly seeds: number
  readonly from: number
  readonly json?: string
  readonly quick: boolean
}

interface Row {
  readonly area: string
  readonly seeds: number
  readonly from: number
  readonly violations: number
  readonly failedSeeds: number[]
  readonly stats: Record<string, number>
}

const QUICK_SEEDS = 20
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
  .option('--json <file>', 'write the figures to a file')
  .option('--quick', `short runs, ${QUICK_SEEDS} seeds at most`, false)
  .parse()
  .opts<Options>()

process.exitCode = run(areas.find(({ name }) => name === options.area)!)

function run(area: SimArea): number {
  const { from, quick } = options
  const seeds = quick ? Math.min(options.seeds, QUICK_SEEDS) : options.seeds
  const failedSeeds: number[] = []
  const stats: Record<string, number> = {}
  let violations = 0
  let shownMs = performance.now()
  for (let seed = from; seed < from + seeds; seed++) {
    const result = area.runSeed(seed, { quick })
    for (const [name, value] of Object.entries(result.stats)) {
      stats[name] = (stats[name] ?? 0) + value
    }
    if (result.violations.length > 0) {
      failedSeeds.push(seed)
      violations += result.violations.length
      report(area, seed, result.violations)
    }
    if (performance.now() - shownMs < PROGRESS_INTERVAL_MS) continue
    shownMs = performance.now()
    process.stderr.write(
      `${area.name}: ${seed - from + 1} of ${seeds} seeds, ${violations} violations\n`,
    )
  }
  const row: Row = { area: area.name, seeds, from, violations, failedSeeds, stats }
  finish(row)
  return violations === 0 ? 0 : 1
}

function report(area: SimArea, seed: number, violations: readonly string[]): void {
  const quick = options.quick ? ' --quick' : ''
  console.log(`seed ${seed}: ${violations.length} violations`)
  for (const violation of violations) console.log(`  ${violation}`)
  console.log(`  replay: npm run sim -- --area ${area.name} --seeds 1 --from ${seed}${quick}`)
}

function finish(row: Row): void {
  const figures = Object.entries(row.stats).map(([name, value]) => `${name} ${Math.round(value)}`)
  console.log(`${row.area}: ${row.seeds} seeds from ${row.from}, ${row.violations} violations`)
  console.log(`  sums: ${figures.join(', ')}`)
  if (options.json === undefined) return
  const machine = {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
  }
  writeFileSync(options.json, `${JSON.stringify({ machine, rows: [row] }, null, 2)}\n`)
}

function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 2 ** 31) {
    throw new InvalidArgumentError('a whole number from 1 is wanted')
  }
  return value
}
