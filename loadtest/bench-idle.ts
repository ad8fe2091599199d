/**
 * `npm run bench:idle`: many workers that do nothing. A front and three nodes, real processes: how
 * long it takes to make the workers, one request each; what memory and CPU they cost while nothing
 * happens; how long the first request to one that sleeps takes, beside requests to ones that are
 * awake, in an open loop. Exits with 1 when a request failed or a worker lost its state.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { TestCluster } from '../test/helpers/cluster.ts'
import { Client, OpenLoop, quantile } from '../test/helpers/load.ts'
import { startPostgres } from '../test/helpers/postgres.ts'
import { until } from '../test/helpers/until.ts'
import { wholeNumber } from './options.ts'
import { pidsByRole, type Role, type Usage, usageOf } from './processes.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

/** With its name and the map's own bytes a section of this length makes 200 bytes of state. */
const FILLING = 190
/** Requests under way while the workers are made. */
const MAKING = 64
const SLEEP_AFTER_MS = 5_000
/** Workers that are kept awake, to compare with. */
const AWAKE = 100
const PER_SECOND = 100
const QUICK_WORKERS = 5_000

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly workers: number
  readonly store: 'sqlite' | 'postgres'
  readonly seconds: number
}

interface ProcessRow {
  readonly processes: Role | 'all'
  readonly emptyMb: number
  readonly awakeMb: number
  readonly asleepMb: number
  /** Memory above that of the empty cluster, by worker, bytes. */
  readonly awakeBytes: number
  readonly asleepBytes: number
  /** Part of a core while nothing happens, per cent. */
  readonly emptyCpu: number
  readonly asleepCpu: number
}

interface LatencyRow {
  readonly requests: 'first' | 'awake' | 'asleep'
  readonly count: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly bad: number
}

const PROCESS_COLUMNS: readonly Column<ProcessRow>[] = [
  { key: 'processes', title: 'processes' },
  { key: 'emptyMb', title: 'empty MB' },
  { key: 'awakeMb', title: 'awake MB' },
  { key: 'asleepMb', title: 'asleep MB' },
  { key: 'awakeBytes', title: 'B/worker awake' },
  { key: 'asleepBytes', title: 'B/worker asleep' },
  { key: 'emptyCpu', title: 'CPU % empty', digits: 2 },
  { key: 'asleepCpu', title: 'CPU % asleep', digits: 2 },
]

const LATENCY_COLUMNS: readonly Column<LatencyRow>[] = [
  { key: 'requests', title: 'requests' },
  { key: 'count', title: 'count' },
  { key: 'perSecond', title: 'per second' },
  { key: 'p50Ms', title: 'p50 ms', digits: 2 },
  { key: 'p99Ms', title: 'p99 ms', digits: 2 },
  { key: 'maxMs', title: 'max ms', digits: 2 },
  { key: 'bad', title: 'bad' },
]

type Snapshot = ReadonlyMap<Role, Usage>

/** Latencies of the requests of one kind, and those that went wrong. */
class Answers {
  readonly ms: number[] = []
  bad = 0
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async send(method: 'GET' | 'POST', worker: number): Promise<void> {
    const path = `/idle/w${worker}${method === 'POST' ? `?bytes=${FILLING}` : ''}`
    try {
      const answer = await this.#client.send(method, path)
      this.ms.push(answer.ms)
      if (answer.status === 200 && answer.body === String(FILLING)) return
      progress(`  ${method} ${path}: ${answer.status} ${answer.body}`)
    } catch (error) {
      progress(`  ${method} ${path}: ${String(error)}`)
    }
    this.bad++
  }

  row(requests: LatencyRow['requests'], seconds: number): LatencyRow {
    const { ms, bad } = this
    return {
      requests,
      count: ms.length,
      perSecond: ms.length / seconds,
      p50Ms: quantile(ms, 0.5),
      p99Ms: quantile(ms, 0.99),
      maxMs: ms.reduce((max, one) => Math.max(max, one), 0),
      bad,
    }
  }
}

async function make(client: Client, workers: number): Promise<LatencyRow> {
  const answers = new Answers(client)
  const startedMs = performance.now()
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < workers) {
      const worker = next++
      if (worker % 10_000 === 0) progress(`  ${worker} of ${workers}`)
      await answers.send('POST', worker)
    }
  }
  await Promise.all(Array.from({ length: MAKING }, lane))
  return answers.row('first', (performance.now() - startedMs) / 1_000)
}

/** Random workers that sleep, each once, and beside them some that are awake. */
async function wake(client: Client, options: Options): Promise<LatencyRow[]> {
  const asleep = new Answers(client)
  const awake = new Answers(client)
  const order = shuffled(options.workers - AWAKE)
  const loops = [
    new OpenLoop(PER_SECOND, (n) => awake.send('GET', n % AWAKE)),
    new OpenLoop(PER_SECOND, (n) => asleep.send('GET', AWAKE + order[n - 1]!)),
  ]
  loops[0]!.start()
  // Each of those that shall be awake is asked once.
  await until('they are awake', () => loops[0]!.sent > 2 * AWAKE)
  awake.ms.length = 0
  const most = Math.min(order.length, options.seconds * PER_SECOND)
  loops[1]!.start()
  await until('the workers are waked', () => loops[1]!.sent >= most, options.seconds * 2_000)
  await Promise.all(loops.map((loop) => loop.stop()))
  const seconds = most / PER_SECOND
  return [awake.row('awake', seconds), asleep.row('asleep', seconds)]
}

function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

async function snapshot(cluster: TestCluster): Promise<Snapshot> {
  const pids = pidsByRole(await cluster.get('/api/status'))
  return new Map(Array.from(pids, ([role, list]) => [role, usageOf(list)]))
}

/** CPU of each role over `seconds` in which nobody asks anything, as a part of a core, per cent. */
async function quiet(cluster: TestCluster, seconds: number): Promise<Map<Role, number>> {
  const before = await snapshot(cluster)
  await sleep(seconds * 1_000)
  const after = await snapshot(cluster)
  return new Map(
    Array.from(after, ([role, { cpu }]) => [role, ((cpu - before.get(role)!.cpu) / seconds) * 100]),
  )
}

async function sleepers(cluster: TestCluster): Promise<number> {
  let count = 0
  for (const node of cluster.nodeIds) {
    const text = await (await fetch(`http://127.0.0.1:${cluster.adminPort(node)}/metrics`)).text()
    count += Number(/^aries_node_workers\{.*state="asleep".*\} (\d+)$/m.exec(text)?.[1] ?? 0)
  }
  return count
}

async function measure(cluster: TestCluster, options: Options) {
  const { workers, seconds } = options
  const client = new Client(cluster.url, MAKING)
  try {
    await sleep(2_000)
    progress(`nothing, ${seconds} s`)
    const emptyCpu = await quiet(cluster, seconds)
    const empty = await snapshot(cluster)
    progress(`making ${workers} workers`)
    const first = await make(client, workers)
    const awake = await snapshot(cluster)
    progress('waiting until they sleep')
    await until('they sleep', async () => (await sleepers(cluster)) === workers, 120_000)
    await sleep(SLEEP_AFTER_MS)
    progress(`nothing, ${seconds} s`)
    const asleepCpu = await quiet(cluster, seconds)
    const asleep = await snapshot(cluster)
    progress(`waking, ${seconds} s`)
    const waked = await wake(client, options)
    const rows = [...asleep.keys()].map((role) =>
      processRow(role, workers, {
        empty: empty.get(role)!.memory,
        awake: awake.get(role)!.memory,
        asleep: asleep.get(role)!.memory,
        emptyCpu: emptyCpu.get(role)!,
        asleepCpu: asleepCpu.get(role)!,
      }),
    )
    return { processes: [...rows, total(rows)], latencies: [first, ...waked] }
  } finally {
    await client.close()
  }
}

function processRow(
  processes: Role,
  workers: number,
  usage: { empty: number; awake: number; asleep: number; emptyCpu: number; asleepCpu: number },
): ProcessRow {
  const { empty, awake, asleep, emptyCpu, asleepCpu } = usage
  return {
    processes,
    emptyMb: empty / 1e6,
    awakeMb: awake / 1e6,
    asleepMb: asleep / 1e6,
    awakeBytes: (awake - empty) / workers,
    asleepBytes: (asleep - empty) / workers,
    emptyCpu,
    asleepCpu,
  }
}

function total(rows: readonly ProcessRow[]): ProcessRow {
  const sum = (key: Exclude<keyof ProcessRow, 'processes'>): number =>
    rows.reduce((all, row) => all + row[key], 0)
  return {
    processes: 'all',
    emptyMb: sum('emptyMb'),
    awakeMb: sum('awakeMb'),
    asleepMb: sum('asleepMb'),
    awakeBytes: sum('awakeBytes'),
    asleepBytes: sum('asleepBytes'),
    emptyCpu: sum('emptyCpu'),
    asleepCpu: sum('asleepCpu'),
  }
}

async function main(asked: Options): Promise<number> {
  const options = asked.quick
    ? { ...asked, workers: Math.min(QUICK_WORKERS, asked.workers), seconds: 5 }
    : asked
  const postgres = options.store === 'postgres' ? await startPostgres() : undefined
  const cluster = await TestCluster.start({
    spareHosts: true,
    ...(postgres && { store: postgres.url }),
    routes: [{ path: '/idle/:key', worker: fileURLToPath(new URL('./idle.ts', import.meta.url)) }],
    config: { classes: { idle: { sleepAfterMs: SLEEP_AFTER_MS } } },
  })
  try {
    const { processes, latencies } = await measure(cluster, options)
    console.log(`\n${machineLine()}; load and cluster share them`)
    console.log(
      `${options.workers} workers of 200 bytes of state on three nodes, ${options.store}; asleep after ${SLEEP_AFTER_MS} ms\n`,
    )
    console.log(`${formatTable(processes, PROCESS_COLUMNS)}\n`)
    console.log(formatTable(latencies, LATENCY_COLUMNS))
    if (options.json) writeJson(options.json, [...processes, ...latencies])
    return latencies.some(({ bad }) => bad > 0) ? 1 : 0
  } finally {
    await cluster.stop()
    await postgres?.stop()
  }
}

await new Command('bench-idle')
  .description('Measure many idle workers: memory, CPU, and the latency of waking one.')
  .option('--workers <n>', 'how many', wholeNumber, 50_000)
  .option('--seconds <n>', 'how long each part is measured', wholeNumber, 30)
  .addOption(
    new Option('--store <store>', 'where the state is')
      .choices(['sqlite', 'postgres'])
      .default('sqlite'),
  )
  .option('--quick', `${QUICK_WORKERS} workers, 5 s`)
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
