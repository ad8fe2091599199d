/**
 * `npm run bench:reload`: a front is changed under load: its configuration is reloaded, then its
 * process is replaced. A steady load in an open loop: requests over kept connections, and
 * connections that are made for one request each. WebSockets stand meanwhile. Exits with 1 unless no
 * connection was refused, no request failed, none was reset, and every WebSocket outlived the
 * reloads.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, Option } from 'commander'
import { TestCluster } from '../test/helpers/cluster.ts'
import { wholeNumber } from './options.ts'
import { reload, replace } from './reload/change.ts'
import { Load } from './reload/load.ts'
import type { Tally } from './reload/raw-client.ts'
import { StandingSockets, startEcho } from './reload/sockets.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly reloads: number
  readonly replacements: number
  readonly requests: number
  readonly connections: number
  readonly sockets: number
}

const QUICK = { reloads: 10, replacements: 3, requests: 1_000, connections: 100, sockets: 20 }
/** Between two changes: requests go on without one as well. */
const PAUSE_MS = 100

interface Row extends Omit<Tally, 'examples'> {
  readonly phase: string
  readonly over: string
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'phase', title: 'change' },
  { key: 'over', title: 'connections' },
  { key: 'ok', title: 'answered' },
  { key: 'refused', title: 'refused' },
  { key: 'reset', title: 'reset' },
  { key: 'failed', title: 'failed' },
]

const options = new Command('bench:reload')
  .description('changes a front under load: nothing may be lost')
  .addOption(
    new Option('--reloads <n>', 'reloads of the configuration').argParser(wholeNumber).default(100),
  )
  .addOption(
    new Option('--replacements <n>', 'replacements of the process')
      .argParser(wholeNumber)
      .default(20),
  )
  .addOption(
    new Option('--requests <n>', 'requests a second over kept connections')
      .argParser(wholeNumber)
      .default(5_000),
  )
  .addOption(
    new Option('--connections <n>', 'new connections a second').argParser(wholeNumber).default(200),
  )
  .addOption(
    new Option('--sockets <n>', 'WebSockets, half to a worker and half to a server')
      .argParser(wholeNumber)
      .default(200),
  )
  .option('--quick', 'a small run: fewer changes, less load')
  .option('--json <file>', 'write the figures to a file too')
  .parse()
  .opts<Options>()

process.exitCode = await main(options.quick ? { ...options, ...QUICK } : options)

async function main(init: Options): Promise<number> {
  const echo = await startEcho()
  const cluster = await TestCluster.start({
    spareHosts: true,
    nodes: 1,
    legacy: true,
    config: { front: { handoverTimeoutMs: 10_000, handoverSpreadMs: 2_000 } },
    routes: [{ path: '/echo', upstreams: [echo.url] }],
  })
  try {
    return await measure(init, cluster)
  } finally {
    await cluster.stop()
    await echo.close()
  }
}

async function measure(init: Options, cluster: TestCluster): Promise<number> {
  const port = Number(new URL(cluster.url).port)
  const load = { port, requestsPerSecond: init.requests, connectionsPerSecond: init.connections }
  const paths = ['/legacy/a', '/legacy/b', '/legacy/c', '/hello']
  const urls = Array.from(
    { length: init.sockets },
    (_, i) => cluster.url.replace('http', 'ws') + (i % 2 === 0 ? '/echo' : '/room/bench'),
  )
  const rows: Row[] = []
  const examples: string[] = []
  const run = async (phase: string, count: number, change: (n: number) => Promise<unknown>) => {
    const began = new Load({ ...load, paths })
    for (let n = 1; n <= count; n++) {
      progress(`${phase} ${n} of ${count}`)
      await change(n)
      await sleep(PAUSE_MS)
    }
    await began.stop()
    for (const [over, tally] of [
      ['kept', began.kept],
      ['new', began.fresh],
    ] as const) {
      rows.push({ phase: `${count} ${phase}`, over, ...tally })
      examples.push(...tally.examples)
    }
  }

  const sockets = await StandingSockets.open(urls)
  await run('reloads', init.reloads, (n) => reload(cluster, n))
  const stood = await sockets.answering()
  await run('replacements', init.replacements, () => replace(cluster))
  await sleep(2_500)
  const told = sockets.codes.filter((code) => code === 1012).length
  sockets.close()

  console.log(machineLine())
  console.log(
    `${init.requests} requests/s over kept connections, ${init.connections} new connections/s\n`,
  )
  console.log(formatTable(rows, COLUMNS))
  console.log(`\nWebSockets open and answering after the reloads: ${stood} of ${urls.length}`)
  console.log(`told by 1012 to come again, after the replacements: ${told} of those to workers`)
  for (const example of examples) console.log(example)
  if (init.json) writeJson(init.json, rows)
  const isLost = rows.some(({ refused, reset, failed }) => refused + reset + failed > 0)
  return isLost || stood < urls.length ? 1 : 0
}
