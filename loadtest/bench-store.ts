/**
 * `node loadtest/bench-store.ts`: what a commit costs in each store, alone and with several
 * processes at the same one. Every figure comes from processes of their own, as the hosts are.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { startPostgres } from '../test/helpers/postgres.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'
import type { Drive, Driven } from './store-driver.ts'

interface Scenario extends Drive {
  readonly name: string
  readonly processes: number
}

interface Row {
  readonly store: string
  readonly name: string
  readonly processes: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

const SMALL = { records: 1, bytes: 100, pauseMs: 0 }
const SCENARIOS: readonly Scenario[] = [
  { name: 'one at a time', processes: 1, streams: 1, ...SMALL },
  { name: '32 workers at once', processes: 1, streams: 32, ...SMALL },
  { name: '1,000 workers at once', processes: 1, streams: 1_000, ...SMALL },
  { name: 'calls of 1,000 records', processes: 1, streams: 1, ...SMALL, records: 1_000 },
  { name: 'sections of 1 MB', processes: 1, streams: 1, ...SMALL, bytes: 1_048_576 },
  { name: 'each every 10 ms', processes: 3, streams: 1, ...SMALL, pauseMs: 10 },
  { name: 'each one at a time', processes: 3, streams: 1, ...SMALL },
  { name: 'each 16 workers at once', processes: 3, streams: 16, ...SMALL },
]

const COLUMNS: readonly Column<Row>[] = [
  { key: 'store', title: 'store' },
  { key: 'name', title: 'commits' },
  { key: 'processes', title: 'processes' },
  { key: 'perSecond', title: 'records/s' },
  { key: 'p50Ms', title: 'p50 ms', digits: 2 },
  { key: 'p99Ms', title: 'p99 ms', digits: 2 },
  { key: 'p999Ms', title: 'p99.9 ms', digits: 2 },
  { key: 'maxMs', title: 'max ms', digits: 2 },
]

async function measure(
  store: string,
  url: string,
  scenario: Scenario,
  seconds: number,
): Promise<Row> {
  const { name, processes, ...drive } = scenario
  progress(`${store}: ${name}, ${processes} process${processes > 1 ? 'es' : ''}`)
  const drivers = await Promise.all(
    Array.from({ length: processes }, (_, i) => startDriver(url, i)),
  )
  try {
    const driven = await Promise.all(
      drivers.map(async (driver): Promise<Driven> => {
        driver.send({ ...drive, seconds })
        return (await once(driver, 'message'))[0] as Driven
      }),
    )
    const latencies = driven.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b)
    const at = (part: number): number =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? Number.NaN
    return {
      store,
      name,
      processes,
      perSecond: driven.reduce((sum, { perSecond }) => sum + perSecond, 0),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: at(1),
    }
  } finally {
    await Promise.all(drivers.map(endDriver))
  }
}

/** A process with the store open; ready when this resolves. */
async function startDriver(url: string, number: number): Promise<ChildProcess> {
  const file = new URL('./store-driver.ts', import.meta.url)
  const driver = fork(file, [url, `bench-${number}`], { execArgv: [] })
  await Promise.race([
    once(driver, 'message'),
    once(driver, 'exit').then(() => {
      throw new Error('a driver ended before it was ready')
    }),
  ])
  return driver
}

async function endDriver(driver: ChildProcess): Promise<void> {
  if (driver.exitCode !== null) return
  const ended = once(driver, 'exit')
  driver.disconnect()
  await ended
}

async function main(options: { json?: string; quick?: boolean }): Promise<void> {
  const seconds = options.quick ? 0.5 : 3
  const rows: Row[] = []
  const run = async (store: string, url: string): Promise<void> => {
    for (const scenario of SCENARIOS) rows.push(await measure(store, url, scenario, seconds))
  }
  const dir = mkdtempSync(join(tmpdir(), 'aries-bench-'))
  try {
    await run('sqlite', `sqlite:${join(dir, 'aries.db')}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  const postgres = await startPostgres()
  try {
    await run('postgres', postgres.url)
  } finally {
    await postgres.stop()
  }
  console.log(`\n${machineLine()}; clients and server share them`)
  console.log('one section of 100 bytes a record unless said otherwise; every commit is durable\n')
  console.log(formatTable(rows, COLUMNS))
  if (options.json) writeJson(options.json, rows)
}

await new Command('bench-store')
  .description('Measure commits to SQLite and PostgreSQL, alone and contended.')
  .option('--quick', 'half a second each')
  .option('--json <file>', 'write the figures there, too')
  .action(main)
  .parseAsync()
