/**
 * `npm run bench:workers`: durable increments, `POST /counter/:key`, of one key, of a thousand, and
 * of a thousand that nobody asked for before (Express has their rows already, the others make them):
 * Aries on SQLite and on PostgreSQL, a Durable Object in workerd with its storage on the local disk,
 * and Express with `UPDATE … RETURNING` on PostgreSQL. Each is acknowledged after an fsync. All on
 * this machine, in turns, started anew for each round; the figures are those of the median round.
 * Exits with 1 when a request to Aries failed.
 */
import { Command } from 'commander'
import { TestCluster } from '../test/helpers/cluster.ts'
import { quantile } from '../test/helpers/load.ts'
import { startPostgres } from '../test/helpers/postgres.ts'
import { fire, type Hits } from './cannon.ts'
import { wholeNumber } from './options.ts'
import { type Contender, installPeers } from './peers.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

/**
 * `noted`: requests per second of a Durable Object in workerd on a machine like CI's, measured once
 * and noted before there was this bench; what was asked of Aries was asked as a multiple of it.
 */
interface Case {
  readonly name: string
  readonly keys: number
  readonly areNew: boolean
  readonly noted?: { readonly perSecond: number; readonly timesAsked: number }
}

const CASES: readonly Case[] = [
  { name: 'one key', keys: 1, areNew: false, noted: { perSecond: 303, timesAsked: 20 } },
  { name: '1,000 keys', keys: 1_000, areNew: false, noted: { perSecond: 58, timesAsked: 100 } },
  { name: '1,000 new keys', keys: 1_000, areNew: true },
]

const CONNECTIONS = 50
/** Answered before anything is measured: code is compiled, connections are open. */
const WARM_UP_MS = 2_000

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly rounds: number
  readonly seconds: number
  readonly nodes: number
}

interface Row extends Hits {
  readonly case: string
  readonly contender: string
  readonly rounds: number
  /** Of what workerd and Express did in the same run. */
  timesWorkerd: number
  timesExpress: number
  /** Of what is noted for workerd, and what was asked of Aries; see `Case`. */
  readonly timesNoted?: number
  readonly timesAsked?: number
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'case', title: 'counters' },
  { key: 'contender', title: 'server' },
  { key: 'perSecond', title: 'requests/s' },
  { key: 'timesWorkerd', title: '× workerd', digits: 1 },
  { key: 'timesExpress', title: '× Express', digits: 1 },
  { key: 'timesNoted', title: '× noted', digits: 1 },
  { key: 'timesAsked', title: 'asked' },
  { key: 'p50Ms', title: 'p50 ms', digits: 1 },
  { key: 'p99Ms', title: 'p99 ms', digits: 1 },
  { key: 'errors', title: 'errors' },
]

function aries(nodes: number): Contender[] {
  return [
    {
      name: 'Aries on SQLite',
      async start() {
        const cluster = await TestCluster.start({ nodes, spareHosts: true })
        return { url: cluster.url, stop: () => cluster.stop() }
      },
    },
    {
      name: 'Aries on PostgreSQL',
      async start() {
        const postgres = await startPostgres()
        const cluster = await TestCluster.start({ nodes, store: postgres.url, spareHosts: true })
        const stop = async (): Promise<void> => {
          await cluster.stop()
          await postgres.stop()
        }
        return { url: cluster.url, stop }
      },
    },
  ]
}

async function measure(contender: Contender, one: Case, seconds: number): Promise<Hits> {
  // One more, that is warmed up with where the others are to be new.
  const running = await contender.start(one.keys + 1)
  try {
    const shot = { url: running.url, method: 'POST' as const, connections: CONNECTIONS }
    let next = 0
    const inTurn = (): string => `/counter/k${next++ % one.keys}`
    const path = one.areNew ? () => `/counter/k${one.keys}` : inTurn
    // Each key once, and on for a while: how fast it then is decides how many fill the time.
    const beganMs = performance.now()
    let warm = await fire({ ...shot, path, amount: Math.max(one.keys, CONNECTIONS) })
    while (performance.now() - beganMs < WARM_UP_MS) {
      const amount = Math.max(CONNECTIONS, Math.round(warm.perSecond / 2))
      warm = await fire({ ...shot, path, amount })
    }
    if (one.areNew) return await fire({ ...shot, path: inTurn, amount: one.keys })
    const random = (): string => `/counter/k${Math.floor(Math.random() * one.keys)}`
    const amount = Math.max(2 * CONNECTIONS, Math.round(warm.perSecond * seconds))
    return await fire({ ...shot, path: random, amount })
  } finally {
    await running.stop()
  }
}

/** The round in the middle, with the errors of all. */
function median(rounds: readonly Hits[]): Hits {
  const sorted = rounds.toSorted((a, b) => a.perSecond - b.perSecond)
  const middle = quantile(
    sorted.map((_, i) => i),
    0.5,
  )
  return { ...sorted[middle]!, errors: rounds.reduce((sum, { errors }) => sum + errors, 0) }
}

function timesNoted({ noted }: Case, { name }: Contender, { perSecond }: Hits): Partial<Row> {
  if (!noted || !name.startsWith('Aries')) return {}
  return { timesNoted: perSecond / noted.perSecond, timesAsked: noted.timesAsked }
}

async function runCase(
  one: Case,
  contenders: readonly Contender[],
  options: Options,
): Promise<Row[]> {
  const rounds = options.quick ? 1 : options.rounds
  const seconds = options.quick ? Math.min(2, options.seconds) : options.seconds
  const hits = contenders.map((): Hits[] => [])
  for (let round = 1; round <= rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const got = await measure(contender, one, seconds)
      progress(
        `${one.name}, round ${round} of ${rounds}: ${contender.name}, ${got.perSecond.toFixed(0)}/s`,
      )
      hits[i]!.push(got)
    }
  }
  const rows = contenders.map((contender, i): Row => {
    const middle = median(hits[i]!)
    return {
      case: one.name,
      contender: contender.name,
      rounds,
      ...middle,
      timesWorkerd: 0,
      timesExpress: 0,
      ...timesNoted(one, contender, middle),
    }
  })
  const perSecond = (peer: string): number =>
    rows.find(({ contender }) => contender.startsWith(peer))?.perSecond ?? Number.NaN
  for (const row of rows) {
    row.timesWorkerd = row.perSecond / perSecond('workerd')
    row.timesExpress = row.perSecond / perSecond('Express')
  }
  return rows
}

async function main(options: Options): Promise<number> {
  const contenders = [...aries(options.nodes), ...installPeers()]
  const rows: Row[] = []
  for (const one of CASES) rows.push(...(await runCase(one, contenders, options)))
  console.log(`\n${machineLine()}; load and servers share them`)
  console.log(
    `Aries: a front and ${options.nodes} node(s); ${CONNECTIONS} connections, each sends when it was answered`,
  )
  const noted = CASES.filter((one) => one.noted).map(
    ({ name, noted }) => `${noted!.perSecond}/s for ${name}`,
  )
  console.log(
    `× workerd and × Express: of this run; × noted: of what workerd once did on a machine like CI's, ${noted.join(', ')}\n`,
  )
  console.log(formatTable(rows, COLUMNS))
  if (options.json) writeJson(options.json, rows)
  return rows.some(({ contender, errors }) => contender.startsWith('Aries') && errors > 0) ? 1 : 0
}

await new Command('bench-workers')
  .description('Compare durable counters with workerd and with Express on PostgreSQL.')
  .option('--rounds <n>', 'rounds of each', wholeNumber, 3)
  .option('--seconds <n>', 'length of each measurement', wholeNumber, 5)
  .option('--nodes <n>', 'nodes of Aries; each of the others is one server', wholeNumber, 1)
  .option('--quick', 'one round of two seconds')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
