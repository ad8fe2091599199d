/**
 * `npm run bench:balance`: policies that choose a target for a request, ours and the usual ones, on
 * backends of unequal speed that antagonists slow down in turns, from half of their capacity to a
 * third above it. `--sim`: in virtual time, 100 backends, 1, 4 and 16 fronts; else a real front and 16
 * real backends, each policy with processes of its own, in turns. What is asked stands beside what was
 * measured, and beside what an oracle reaches. Exits with 1 when a figure that is asked for, can be
 * reached and does not depend on the machine's clock is missed (`--sim`), or when a request failed
 * below the capacity with ours.
 */
import { Command } from 'commander'
import { type Asked, askedOfSteps, isMissed, isReachable } from './balance/asked.ts'
import { pickTimeUs } from './balance/pick-time.ts'
import { runReal } from './balance/real.ts'
import type { Row } from './balance/rows.ts'
import { runFairness, runSteps } from './balance/simulated.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, writeJson } from './report.ts'

const LOADS = [0.5, 0.7, 0.85, 0.95, 1.1, 1.3]
/** Fewer, that a run takes ten minutes. */
const REAL_LOADS = [0.5, 0.7, 0.9, 1.1, 1.3]
const QUICK_LOADS = [0.5, 0.85, 1.3]

interface Options {
  readonly sim?: boolean
  readonly quick?: boolean
  readonly json?: string
  readonly loads?: string
  readonly seconds: number
  readonly rounds: number
}

/** A generator that is later than this measures itself: the run is not valid. */
const LATE_MS_MAX = 20

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

const ASKED: readonly Column<Asked & { readonly verdict: string }>[] = [
  { key: 'what', title: 'figure' },
  { key: 'policy', title: 'policy' },
  { key: 'asked', title: 'asked' },
  { key: 'measured', title: 'measured', digits: 3 },
  { key: 'oracle', title: 'oracle', digits: 3 },
  { key: 'verdict', title: '' },
]

function loadsOf({ loads, quick, sim }: Options): number[] {
  if (loads !== undefined) return loads.split(',').map(Number)
  if (quick) return QUICK_LOADS
  return sim ? LOADS : REAL_LOADS
}

function verdict(asked: Asked): string {
  if (asked.asked === '') return ''
  if (!isMissed(asked)) return 'reached'
  return isReachable(asked) ? 'missed' : 'missed: not within reach of the oracle either'
}

async function main(options: Options): Promise<number> {
  const loads = loadsOf(options)
  const measuredMs = (options.quick ? Math.min(2, options.seconds) : options.seconds) * 1_000
  const rows: Row[] = []
  const asked: Asked[] = []
  if (options.sim) {
    rows.push(...runSteps({ loads, measuredMs }))
    asked.push(...askedOfSteps(rows), ...runFairness(measuredMs))
  } else {
    const rounds = options.quick ? 1 : options.rounds
    const real = await runReal({ loads, measuredMs, rounds })
    rows.push(...real.rows)
    asked.push(...askedOfSteps(rows), {
      what: 'ms by which the load generator was late, p99 of the worst run',
      policy: '',
      asked: `≤ ${LATE_MS_MAX}`,
      measured: real.lateP99Ms,
    })
  }
  asked.push({
    what: 'µs of CPU for a request at 1,000 nodes',
    policy: 'Aries',
    asked: '≤ 1',
    measured: pickTimeUs(),
  })
  console.log(`\n${machineLine()}`)
  console.log('oracle: knows speeds and queues at each moment; what it misses nobody can reach')
  console.log('errors have the deadline as their latency; × best: p99.9 to that of the best rival')
  console.log(`Aries, untold: the backends do not tell their load on answers (aries-load)\n`)
  console.log(`${formatTable(rows, COLUMNS)}\n`)
  console.log(
    formatTable(
      asked.map((one) => ({ ...one, verdict: verdict(one) })),
      ASKED,
    ),
  )
  if (options.json) writeJson(options.json, [...rows, ...asked])
  const failed = rows.some(({ isOurs, load, errorsPerMille }) => {
    return isOurs && load < 0.9 && errorsPerMille > 0
  })
  const decided = asked.filter(({ what }) => !what.startsWith('µs') && !what.startsWith('ms'))
  const missed = options.sim && decided.some((one) => isMissed(one) && isReachable(one))
  return failed || missed ? 1 : 0
}

await new Command('bench-balance')
  .description('Compare policies that choose a target for each request.')
  .option('--sim', 'in virtual time, with 100 backends and 1, 4 and 16 fronts')
  .option('--loads <list>', 'offered loads, as parts of the capacity')
  .option('--seconds <n>', 'length of each measurement', wholeNumber, 5)
  .option('--rounds <n>', 'rounds of each, real front only', wholeNumber, 2)
  .option('--quick', 'three loads, two seconds, one round')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
