/**
 * `npm run chaos`: a cluster of real processes under load, while nodes, hosts, pools and the front
 * are killed, paused, drained, moved, restarted. What was answered is checked: nothing acknowledged
 * is lost, nothing is applied twice, every worker's history is linearizable, and nothing fails
 * while nothing is broken. Exits with 1 when something is.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { type ChaosResult, chaos } from '../test/chaos/run.ts'
import { quantile } from '../test/helpers/load.ts'
import { progress, writeJson } from './report.ts'

const QUICK_MS = 30_000
const PAUSE_MS_MAX = 8_000
const RECOVERY_MS = 10_000

interface Options {
  readonly minutes: number
  readonly seed?: number
  readonly store: 'sqlite' | 'postgres'
  readonly json?: string
  readonly quick?: boolean
  readonly only: string
  readonly rate: number
}

function print(result: ChaosResult): void {
  const { recoveriesMs, failures, violations, details, ...counts } = result
  console.log(
    Object.entries(counts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  )
  const ms = (q: number): string => quantile(recoveriesMs, q).toFixed(0)
  console.log(
    `well again after ${recoveriesMs.length} faults: p50 ${ms(0.5)} ms, longest ${ms(1)} ms`,
  )
  for (const [what, count] of Object.entries(failures)) console.log(`  ${count} × ${what}`)
  console.log(violations.length === 0 ? 'no violation' : `${violations.length} violations`)
  if (details !== '') console.log(details)
}

async function main(options: Options): Promise<number> {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31)
  progress(`seed ${seed}, store ${options.store}`)
  const result = await chaos({
    seed,
    ms: options.quick ? QUICK_MS : options.minutes * 60_000,
    store: options.store,
    nodes: 4,
    fronts: 2,
    only: options.only,
    pauseMsMax: PAUSE_MS_MAX,
    recoveryMs: RECOVERY_MS,
    perSecond: options.rate,
    clients: 12,
    progress,
  })
  print(result)
  if (options.json) writeJson(options.json, [result])
  return result.violations.length === 0 ? 0 : 1
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0')
  return value
}

const program = new Command('chaos')
  .description('Break a cluster of real processes under load and check what it answered.')
  .option('--minutes <n>', 'how long', positive, 2)
  .option('--seed <n>', 'repeats the faults of a run', positive)
  .addOption(
    new Option('--store <kind>', 'where state is kept')
      .choices(['sqlite', 'postgres'])
      .default('sqlite'),
  )
  .option('--rate <n>', 'requests a second', positive, 150)
  .option('--only <text>', 'only faults and events with this in their name', '')
  .option('--quick', 'half a minute')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
await program.parseAsync()
