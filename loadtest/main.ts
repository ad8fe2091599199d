/**
 * `npm run loadtest`: autocannon against a cluster of its own (a front, three nodes, two upstreams,
 * real processes on loopback). Capacity first, by running free; then latency at a fixed overall
 * rate, corrected for coordinated omission. At the end the sum of the counters must be exactly the
 * acknowledged increments: a run that lost or doubled one exits with 1.
 */
import { Command } from 'commander'
import { TestCluster } from '../test/helpers/cluster.ts'
import { Client } from '../test/helpers/load.ts'
import { fire, type Hits } from './cannon.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

const KEYS = 1_000
const CONNECTIONS = 50

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly seconds: number
  readonly rate: number
}

interface Row extends Hits {
  readonly name: string
  readonly mode: 'capacity' | 'latency'
  readonly rate?: number
}

interface Scenario {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: () => string
}

const SCENARIOS: readonly Scenario[] = [
  { name: '/hello', method: 'GET', path: () => '/hello' },
  {
    name: 'POST /counter/*',
    method: 'POST',
    path: () => `/counter/k${Math.floor(Math.random() * KEYS)}`,
  },
  { name: '/legacy', method: 'GET', path: () => '/legacy/item' },
  { name: '/legacy by http-proxy', method: 'GET', path: () => '/compat/item' },
]

const COLUMNS: readonly Column<Row>[] = [
  { key: 'name', title: 'route' },
  { key: 'mode', title: 'mode' },
  { key: 'perSecond', title: 'req/s' },
  { key: 'p50Ms', title: 'p50 ms', digits: 1 },
  { key: 'p99Ms', title: 'p99 ms', digits: 1 },
  { key: 'p999Ms', title: 'p99.9 ms', digits: 1 },
  { key: 'errors', title: 'errors' },
]

/** Runs one scenario free and at a fixed rate. `acknowledged` counts what was answered 2xx. */
async function run(
  scenario: Scenario,
  url: string,
  seconds: number,
  rate: number,
): Promise<{ rows: Row[]; acknowledged: number }> {
  const shot = { ...scenario, url, connections: CONNECTIONS }
  progress(`${scenario.name}: warming up`)
  const cold = await fire({ ...shot, amount: 200 })
  const warm = await fire({ ...shot, amount: Math.max(200, Math.round(cold.perSecond)) })
  // How fast it is decides how many requests fill the time.
  const amount = Math.max(500, Math.round(warm.perSecond * seconds))
  progress(`${scenario.name}: capacity, ${amount} requests on ${CONNECTIONS} connections`)
  const capacity = await fire({ ...shot, amount })
  progress(`${scenario.name}: latency at ${rate} requests/s for ${seconds} s`)
  const latency = await fire({ ...shot, amount: rate * seconds, overallRate: rate })
  return {
    rows: [
      { name: scenario.name, mode: 'capacity', ...capacity },
      { name: scenario.name, mode: 'latency', rate, ...latency },
    ],
    acknowledged: cold.ok + warm.ok + capacity.ok + latency.ok,
  }
}

/** Reads every counter; the first time, that makes them. */
async function sumOfCounters(url: string): Promise<number> {
  const client = new Client(url)
  let sum = 0
  for (let key = 0; key < KEYS; key += CONNECTIONS) {
    const keys = Array.from({ length: CONNECTIONS }, (_, i) => key + i)
    const answers = await Promise.all(keys.map((k) => client.send('GET', `/counter/k${k}`)))
    for (const { body } of answers) sum += (JSON.parse(body) as { value: number }).value
  }
  await client.close()
  return sum
}

async function main(options: Options): Promise<number> {
  const seconds = options.quick ? Math.min(3, options.seconds) : options.seconds
  progress('starting a front, three nodes and two upstreams …')
  const cluster = await TestCluster.start({ legacy: true, spareHosts: true })
  const end = (): void => void cluster.stop().then(() => process.exit(130))
  process.once('SIGINT', end).once('SIGTERM', end)
  try {
    const rows: Row[] = []
    let increments = 0
    progress(`making ${KEYS} counters`)
    await sumOfCounters(cluster.url)
    for (const scenario of SCENARIOS) {
      const result = await run(scenario, cluster.url, seconds, options.rate)
      rows.push(...result.rows)
      if (scenario.method === 'POST') increments += result.acknowledged
    }
    progress(`reading ${KEYS} counters`)
    const sum = await sumOfCounters(cluster.url)
    console.log(`\n${machineLine()}; load and cluster share them`)
    console.log(
      `latency: at ${options.rate} requests/s overall, corrected for stalls (autocannon sends each\n` +
        'second its share at once, the first before time: the mean comes out a little higher)\n',
    )
    console.log(formatTable(rows, COLUMNS))
    const exact = sum === increments
    console.log(
      `\n${KEYS} counters add up to ${sum}; acknowledged increments: ${increments} ${exact ? '(equal)' : '(NOT EQUAL)'}`,
    )
    if (options.json) {
      writeJson(options.json, [...rows, { name: 'counters', sum, acknowledged: increments }])
    }
    const errors = rows.reduce((total, row) => total + row.errors, 0)
    return exact && errors === 0 ? 0 : 1
  } finally {
    await cluster.stop()
  }
}

const program = new Command('loadtest')
  .description('Load a demo cluster with autocannon and check that no increment was lost.')
  .option('--seconds <n>', 'length of each measurement', wholeNumber, 10)
  .option('--rate <n>', 'requests per second of the latency runs', wholeNumber, 500)
  .option('--quick', 'three seconds each')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
await program.parseAsync()
