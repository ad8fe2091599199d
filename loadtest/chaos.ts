/**
 * `npm run chaos`: a cluster of real processes under load, while nodes, hosts, pools and the front
 * are killed, paused, drained, moved, restarted. What was answered is checked: nothing acknowledged
 * is lost, nothing is applied twice, every worker's history is linearizable, and nothing fails
 * while nothing is broken. Exits with 1 when something is.
 */
import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { FAILOVERS } from '../test/chaos/failover.ts'
import { type ChaosResult, chaos } from '../test/chaos/run.ts'
import { quantile } from '../test/helpers/load.ts'
import { canMakeMachines, inOwnNetwork } from '../test/helpers/machines.ts'
import { progress, writeJson } from './report.ts'

const QUICK_MS = 30_000
const PAUSE_MS_MAX = 8_000
const RECOVERY_MS = 30_000

interface Options {
  readonly minutes: number
  readonly seed?: number
  readonly store: 'sqlite' | 'postgres'
  readonly json?: string
  readonly history?: string
  readonly quick?: boolean
  readonly only: string
  readonly rate: number
}

function print(result: Omit<ChaosResult, 'history'>): void {
  const { recoveriesMs, failoversMs, failures, violations, details, ...counts } = result
  console.log(
    Object.entries(counts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  )
  const ms = (q: number): string => quantile(recoveriesMs, q).toFixed(0)
  console.log(
    `well again after ${recoveriesMs.length} faults: p50 ${ms(0.5)} ms, longest ${ms(1)} ms`,
  )
  for (const kind of FAILOVERS) {
    const times = failoversMs[kind]
    if (times.length === 0) continue
    const at = (q: number): string => quantile(times, q).toFixed(0)
    console.log(
      `${kind}: ${times.length} workers, served again after p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`,
    )
  }
  for (const [what, count] of Object.entries(failures)) console.log(`  ${count} × ${what}`)
  console.log(violations.length === 0 ? 'no violation' : `${violations.length} violations`)
  if (details !== '') console.log(details)
}

async function main(options: Options): Promise<number> {
  if (options.store === 'postgres') {
    const code = await inOwnNetwork()
    if (code !== undefined) return code
    if (!canMakeMachines()) progress('no machine is cut off: no network namespace may be made here')
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort())
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31)
  progress(`seed ${seed}, store ${options.store}`)
  const result = await chaos({
    seed,
    ms: options.quick ? QUICK_MS : options.minutes * 60_000,
    store: options.store,
    nodes: 3,
    fronts: 2,
    only: options.only,
    pauseMsMax: PAUSE_MS_MAX,
    recoveryMs: RECOVERY_MS,
    perSecond: options.rate,
    clients: 12,
    progress,
    signal: stop.signal,
  }).catch((error: unknown) => {
    if (stop.signal.aborted) process.exit(130)
    throw error
  })
  const { history, ...row } = result
  print(row)
  if (options.json) writeJson(options.json, [row])
  if (options.history) writeFileSync(options.history, history)
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
  .option('--history <file>', 'write every operation there, for outside checkers')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
await program.parseAsync()
