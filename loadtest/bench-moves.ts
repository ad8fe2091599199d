/**
 * `npm run bench:moves`: what a live move costs the worker that moves and its neighbours, by size of
 * state. A front and two nodes, real processes, a fresh cluster for each size; an open loop of
 * requests on the worker, one in twenty of them a write of one section, and a lighter one on eight
 * counters in the same two hosts. Exits with 1 when a request failed or a write was lost or doubled.
 *
 * The two loads and the orders come from three processes: the answers that wait for a move come back
 * together, and whoever reads those would have the neighbours' answers wait behind them. The orders
 * go to the node that has the worker, as those of its own balancer do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { request } from 'undici'
import type { MoveReport } from '../src/rpc.ts'
import { TestCluster } from '../test/helpers/cluster.ts'
import { Client, quantile } from '../test/helpers/load.ts'
import { until } from '../test/helpers/until.ts'
import { Load } from './moves/load.ts'
import { nowMs, type Span } from './moves/plan.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

interface Size {
  readonly state: string
  readonly sections: number
  /** Of each section. */
  readonly bytes: number
  /** The p99 that the stall without the store's part is to have at most. */
  readonly askedP99Ms?: number
}

const SIZES: readonly Size[] = [
  { state: '1 KB', sections: 1, bytes: 1_000 },
  { state: '100 KB', sections: 10, bytes: 10_000 },
  { state: '1 MB', sections: 16, bytes: 65_000, askedP99Ms: 2 },
  { state: '10 MB', sections: 160, bytes: 65_000, askedP99Ms: 10 },
  { state: '100 MB', sections: 1_600, bytes: 65_000, askedP99Ms: 25 },
]
const WORKER = '/ballast/hot'
const PER_SECOND = 1_000
/** One request in so many writes a section. */
const WRITE_EVERY = 20
const NEIGHBOURS = 8
const NEIGHBOURS_PER_SECOND = 400
/** Before and after a move: a moment in which the worker is only used. */
const PAUSE_MS = 50
/** Of a time without a move. */
const QUIET_MS_MAX = 300
/** Of the neighbours, sent while a move is under way: fewer tell nothing of their 99th percentile. */
const NEIGHBOUR_REQUESTS_MIN = 1_000
/** Sections written by one request while the state is made. */
const FILL_SECTIONS = 32
/** Of each load, before anything moves. */
const WARM_REQUESTS = 3_000

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly moves: number
  readonly sizes?: string
}

interface Row {
  readonly state: string
  readonly moves: number
  readonly stallP50Ms: number
  readonly stallP99Ms: number
  readonly stallMaxMs: number
  /** Of the stall, what the store took: to finish the last commits, and to change the owner. */
  readonly storeP50Ms: number
  readonly storeP99Ms: number
  /** The stall without that. */
  readonly restP50Ms: number
  readonly restP99Ms: number
  readonly restMaxMs: number
  readonly askedP99Ms?: number
  /** From the order to its answer. */
  readonly totalP50Ms: number
  readonly bytes: number
  /**
   * Answers of the neighbours to what was sent in a move, and in a time of the same length before
   * it. By when it was sent: a slow answer would meet a move more often than a quick one.
   */
  readonly beforeP50Ms: number
  readonly beforeP99Ms: number
  readonly duringP50Ms: number
  readonly duringP99Ms: number
  /** What the moves add to the p99 of the neighbours, percent; asked: 10. */
  readonly addedPercent: number
  readonly requests: number
  /** Failed requests, and writes lost or doubled. */
  readonly bad: number
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'state', title: 'state' },
  { key: 'moves', title: 'moves' },
  { key: 'stallP50Ms', title: 'stall p50', digits: 2 },
  { key: 'stallP99Ms', title: 'p99', digits: 2 },
  { key: 'stallMaxMs', title: 'max', digits: 2 },
  { key: 'storeP50Ms', title: 'store p50', digits: 2 },
  { key: 'storeP99Ms', title: 'p99', digits: 2 },
  { key: 'restP50Ms', title: 'rest p50', digits: 2 },
  { key: 'restP99Ms', title: 'p99', digits: 2 },
  { key: 'askedP99Ms', title: 'asked' },
  { key: 'restMaxMs', title: 'max', digits: 2 },
  { key: 'totalP50Ms', title: 'total p50', digits: 0 },
  { key: 'bytes', title: 'bytes' },
  { key: 'beforeP50Ms', title: 'neighbours p50', digits: 2 },
  { key: 'beforeP99Ms', title: 'p99', digits: 2 },
  { key: 'duringP50Ms', title: 'in a move p50', digits: 2 },
  { key: 'duringP99Ms', title: 'p99', digits: 2 },
  { key: 'addedPercent', title: '+%' },
  { key: 'requests', title: 'requests' },
  { key: 'bad', title: 'bad' },
]

interface Move extends Span {
  readonly report: MoveReport
}

/** The requests to the worker that moves, and what came of them. */
function hotLoad(url: string, size: Size): Load {
  const writes = Array.from({ length: size.sections }, (_, i) => writePath(size, i, i + 1))
  return new Load({
    url,
    perSecond: PER_SECOND,
    reads: [WORKER],
    writes,
    writeEvery: WRITE_EVERY,
  })
}

function neighboursLoad(url: string): Load {
  const reads = Array.from({ length: NEIGHBOURS }, (_, i) => neighbour(i))
  return new Load({ url, perSecond: NEIGHBOURS_PER_SECOND, reads, writes: [], writeEvery: 0 })
}

/** Times of those that were sent in one of the spans. */
function sentIn(all: readonly Span[], spans: readonly Span[]): number[] {
  const isIn = (one: Span): boolean =>
    spans.some(({ sentMs, ms }) => one.sentMs >= sentMs && one.sentMs < sentMs + ms)
  return times(all.filter(isIn))
}

function writePath(size: Size, from: number, to: number): string {
  return `${WORKER}?from=${from}&to=${to}&bytes=${size.bytes}`
}

function neighbour(i: number): string {
  return `/counter/neighbour-${i}`
}

/** At the node that has it. The connection is kept: to make one is work beside the move. */
async function move(cluster: TestCluster, worker: string, from: string, to: string): Promise<Move> {
  const sentMs = nowMs()
  const { statusCode, body } = await request(
    `${cluster.adminUrl(from)}/api/workers${worker}/move`,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to }),
    },
  )
  const answer = await body.text()
  if (statusCode !== 200) throw new Error(`${worker} to ${to}: ${statusCode} ${answer}`)
  return { sentMs, ms: nowMs() - sentMs, report: JSON.parse(answer) as MoveReport }
}

async function nodeOf(cluster: TestCluster, worker: string): Promise<string> {
  const workers = await cluster.get('/api/workers')
  return workers.find((w) => `/${w.class}/${w.key}` === worker)?.node ?? ''
}

/** Makes the state and the neighbours, half of them on each node; returns the writes it took. */
async function prepare(cluster: TestCluster, client: Client, size: Size) {
  let writes = 0
  for (let from = 0; from < size.sections; from += FILL_SECTIONS, writes++) {
    const to = Math.min(size.sections, from + FILL_SECTIONS)
    const path = writePath(size, from, to)
    const { status, body } = await client.send('POST', path)
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`)
  }
  for (let i = 0; i < NEIGHBOURS; i++) {
    await client.send('POST', neighbour(i))
    const to = i % 2 === 0 ? 'n1' : 'n2'
    const from = await nodeOf(cluster, neighbour(i))
    if (from !== to) await move(cluster, neighbour(i), from, to)
  }
  return writes
}

async function measure(size: Size, options: Options): Promise<Row> {
  const moves = options.quick ? Math.min(10, options.moves) : options.moves
  const file = fileURLToPath(new URL('./ballast.ts', import.meta.url))
  const cluster = await TestCluster.start({
    spareHosts: true,
    nodes: 2,
    routes: [{ path: '/ballast/:key', worker: file }],
    // Nothing moves but what is told to.
    config: { placement: { rebalanceIntervalMs: 3_600_000 } },
  })
  const client = new Client(cluster.url)
  const loads: Load[] = []
  try {
    progress(`${size.state}: making the state`)
    const filled = await prepare(cluster, client, size)
    progress(`${size.state}: ${PER_SECOND} requests/s, no move`)
    const [hot, others] = [hotLoad(cluster.url, size), neighboursLoad(cluster.url)]
    loads.push(hot, others)
    await until('the load runs', () => Math.min(hot.sent, others.sent) > WARM_REQUESTS)
    progress(`${size.state}: at least ${moves} moves`)
    const { done, quiet } = await moveAround(cluster, moves)
    const [ofHot, ofOthers] = await Promise.all([hot.stop(), others.stop()])
    const bad = [...ofHot.bad, ...ofOthers.bad]
    for (const line of bad.slice(0, 10)) progress(`  ${line}`)
    return {
      state: size.state,
      ...figures(done),
      ...(size.askedP99Ms === undefined ? {} : { askedP99Ms: size.askedP99Ms }),
      ...neighbourFigures(sentIn(ofOthers.spans, quiet), sentIn(ofOthers.spans, done)),
      requests: ofHot.sent + ofOthers.sent,
      bad: bad.length + wrongWrites(ofHot.written, filled),
    }
  } finally {
    for (const load of loads) load.kill()
    await client.close()
    await cluster.stop()
  }
}

/** Before each move a time in which nothing moves, as long as the last move if that was short. */
async function moveAround(cluster: TestCluster, moves: number) {
  const done: Move[] = []
  const quiet: Span[] = []
  let node = await nodeOf(cluster, WORKER)
  let ms = PAUSE_MS
  let movingMs = 0
  const wantedMs = (NEIGHBOUR_REQUESTS_MIN / NEIGHBOURS_PER_SECOND) * 1_000
  while (done.length < moves || movingMs < wantedMs) {
    await sleep(PAUSE_MS)
    const sentMs = nowMs()
    await sleep(ms)
    quiet.push({ sentMs, ms: nowMs() - sentMs })
    const one = await move(cluster, WORKER, node, node === 'n1' ? 'n2' : 'n1')
    node = one.report.to
    ms = Math.min(QUIET_MS_MAX, one.ms)
    movingMs += one.ms
    done.push(one)
  }
  return { done, quiet }
}

function times(spans: readonly Span[]): number[] {
  return spans.map(({ ms }) => ms)
}

/** Each acknowledged write has the number after the one before: what is missing or doubled. */
function wrongWrites(written: readonly number[], filled: number): number {
  const sorted = written.toSorted((a, b) => a - b)
  return sorted.filter((n, i) => n !== filled + i + 1).length
}

function figures(done: readonly Move[]) {
  const reports = done.map(({ report }) => report)
  const stalls = reports.map(({ stallMs }) => stallMs)
  const stores = reports.map((report) => report.commitMs)
  const rests = reports.map((report) => report.stallMs - report.commitMs)
  return {
    moves: done.length,
    stallP50Ms: quantile(stalls, 0.5),
    stallP99Ms: quantile(stalls, 0.99),
    stallMaxMs: Math.max(...stalls),
    storeP50Ms: quantile(stores, 0.5),
    storeP99Ms: quantile(stores, 0.99),
    restP50Ms: quantile(rests, 0.5),
    restP99Ms: quantile(rests, 0.99),
    restMaxMs: Math.max(...rests),
    totalP50Ms: quantile(times(done), 0.5),
    bytes: reports.reduce((sum, { bytes }) => sum + bytes, 0) / reports.length,
  }
}

function neighbourFigures(before: readonly number[], during: readonly number[]) {
  const beforeP99Ms = quantile(before, 0.99)
  const duringP99Ms = quantile(during, 0.99)
  return {
    beforeP50Ms: quantile(before, 0.5),
    beforeP99Ms,
    duringP50Ms: quantile(during, 0.5),
    duringP99Ms,
    addedPercent: (duringP99Ms / beforeP99Ms - 1) * 100,
  }
}

async function main(options: Options): Promise<number> {
  const wanted = options.sizes?.split(',')
  const rows: Row[] = []
  for (const size of SIZES) {
    if (!wanted || wanted.includes(size.state)) rows.push(await measure(size, options))
  }
  console.log(`\n${machineLine()}; load and cluster share them`)
  console.log(
    `${PER_SECOND} requests/s on the worker, one in ${WRITE_EVERY} writes a section; ${NEIGHBOURS} neighbours take ${NEIGHBOURS_PER_SECOND}/s; times in ms\n`,
  )
  console.log(formatTable(rows, COLUMNS))
  if (options.json) writeJson(options.json, rows)
  return rows.some(({ bad }) => bad > 0) ? 1 : 0
}

await new Command('bench-moves')
  .description('Measure live moves: the stall of the worker and the latency of its neighbours.')
  .option('--moves <n>', 'moves of each size of state', wholeNumber, 100)
  .option('--sizes <list>', `some of: ${SIZES.map(({ state }) => state).join(',')}`)
  .option('--quick', 'ten moves each')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
