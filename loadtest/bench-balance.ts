/**
 * `npm run bench:balance`: policies that choose a target for a request, ours and the usual ones, on
 * backends of unequal speed that antagonists slow down in turns, from half of their capacity to a
 * third above it. `--sim`: in virtual time, 100 backends, 1, 4 and 16 fronts; else a real front and 16
 * real backends. Exits with 1 when a figure that is asked for and does not depend on the machine's
 * clock is missed (`--sim`), or when a request failed below the capacity with ours.
 */
import { Command } from 'commander'
import { pickTimeUs } from './balance/pick-time.ts'
import { runReal } from './balance/real.ts'
import type { Row } from './balance/rows.ts'
import { type Asked, runFairness, runSteps } from './balance/simulated.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, writeJson } from './report.ts'

const LOADS = [0.5, 0.7, 0.85, 0.95, 1.1, 1.3]
const QUICK_LOADS = [0.5, 0.85, 1.3]

interface Options {
  readonly sim?: boolean
  readonly quick?: boolean
  readonly json?: string
  readonly loads?: string
  readonly seconds: number
  readonly rounds: number
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'where', title: 'where' },
  { key: 'fronts', title: 'fronts' },
  { key: 'load', title: 'load', digits: 2 },
  { key: 'policy', title: 'policy' },
  { key: 'requests', title: 'requests' },
  { key: 'p50Ms', title: 'p50 ms', digits: 1 },
  { key: 'p99Ms', title: 'p99 ms', digits: 1 },
  { key: 'p999Ms', title: 'p99.9 ms', digits: 1 },
  { key: 'errorsPerMille', title: 'errors ‰', digits: 1 },
  { key: 'timesBest', title: '× best', digits: 2 },
  { key: 'timesRoundRobin', title: '× rr', digits: 2 },
  { key: 'timesLeastConnections', title: '× lc', digits: 2 },
]

const ASKED: readonly Column<Asked>[] = [
  { key: 'what', title: 'figure' },
  { key: 'policy', title: 'policy' },
  { key: 'asked', title: 'asked' },
  { key: 'measured', title: 'measured', digits: 3 },
]

function loadsOf({ loads, quick }: Options): number[] {
  return loads === undefined ? (quick ? QUICK_LOADS : LOADS) : loads.split(',').map(Number)
}

/** Whether a figure of the simulator that was asked for is missed. */
function misses({ asked, measured }: Asked): boolean {
  const [sign, bound] = asked.split(' ')
  if (sign === '≥') return measured < Number(bound)
  return sign === '≤' && measured > Number(bound)
}

async function main(options: Options): Promise<number> {
  const loads = loadsOf(options)
  const measuredMs = (options.quick ? Math.min(2, options.seconds) : options.seconds) * 1_000
  const rows = options.sim
    ? runSteps({ loads, measuredMs })
    : await runReal({ loads, measuredMs, rounds: options.quick ? 1 : options.rounds })
  const asked: Asked[] = options.sim ? runFairness(measuredMs) : []
  asked.push({
    what: 'µs of CPU for a request at 1,000 nodes',
    policy: 'Aries',
    asked: '',
    measured: pickTimeUs(),
  })
  console.log(`\n${machineLine()}`)
  console.log('errors have the deadline as their latency; × best: p99.9 to that of the best rival')
  console.log(`Aries, untold: the backends do not tell their load on answers (aries-load)\n`)
  console.log(`${formatTable(rows, COLUMNS)}\n`)
  console.log(formatTable(asked, ASKED))
  if (options.json) writeJson(options.json, [...rows, ...asked])
  const failed = rows.some(({ isOurs, load, errorsPerMille }) => {
    return isOurs && load < 0.9 && errorsPerMille > 0
  })
  return failed || asked.some(misses) ? 1 : 0
}

await new Command('bench-balance')
  .description('Compare policies that choose a target for each request.')
  .option('--sim', 'in virtual time, with 100 backends and 1, 4 and 16 fronts')
  .option('--loads <list>', 'offered loads, as parts of the capacity')
  .option('--seconds <n>', 'length of each measurement', wholeNumber, 8)
  .option('--rounds <n>', 'rounds of each, real front only', wholeNumber, 2)
  .option('--quick', 'three loads, two seconds, one round')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
