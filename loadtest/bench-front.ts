/**
 * `npm run bench:front`: what forwarding costs, beside the usual proxies in one run: HAProxy and
 * nginx (`apt-get install nginx libnginx-mod-stream haproxy wrk`; it runs without those that are
 * missing), @fastify/http-proxy and http-proxy with and without an agent. Every proxy is a process
 * with one thread for clients on one core, with one configuration for all cases; load and origin
 * share the other core. Rounds are interleaved, so that whatever else the machine does meets all.
 *
 * Aries is `aries front` with one shard and every limit at its default: no mode for benches.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { freePorts } from '../test/helpers/ports.ts'
import { CASES, type Case } from './front/cases.ts'
import { CERTIFICATE, type Setup } from './front/configs.ts'
import { type Contender, findContenders } from './front/contenders.ts'
import { type Load, startLoad } from './front/load.ts'
import type { Hits } from './front/load-child.ts'
import { canPin, forkPinned, LOAD_CORE, stopProcess } from './front/pinned.ts'
import { verdicts } from './front/verdicts.ts'
import { wholeNumber } from './options.ts'
import { usageOf } from './processes.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

interface Options {
  readonly json?: string
  readonly quick?: boolean
  readonly rounds: number
  readonly seconds: number
  readonly case?: string[]
  readonly proxy?: string[]
  readonly ownLoad?: boolean
}

export interface Row {
  readonly case: string
  readonly proxy: string
  /** CPU of the proxy's process for one request: the best of the rounds, for noise only adds. */
  readonly cpuUs: number
  /** As a multiple of HAProxy's. */
  timesHaproxy: number
  /** The best of the rounds, as are p50 and p99. */
  readonly perSecond: number
  /** Of the proxy's core in that round, per cent: well below 100 the load was what was measured. */
  readonly busy: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly rssMb: number
  readonly errors: number
  readonly load: 'wrk' | 'own'
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'case', title: 'case' },
  { key: 'proxy', title: 'proxy' },
  { key: 'cpuUs', title: 'CPU µs/request', digits: 1 },
  { key: 'timesHaproxy', title: '× HAProxy', digits: 2 },
  { key: 'perSecond', title: 'requests/s' },
  { key: 'busy', title: 'busy %' },
  { key: 'p50Ms', title: 'p50 ms', digits: 2 },
  { key: 'p99Ms', title: 'p99 ms', digits: 2 },
  { key: 'rssMb', title: 'RSS MB' },
  { key: 'errors', title: 'errors' },
  { key: 'load', title: 'load' },
]
const ORIGIN = fileURLToPath(new URL('./front/origin-child.ts', import.meta.url))

interface Proxy {
  readonly contender: Contender
  readonly child: ChildProcess
  readonly setup: Setup
}

interface Round {
  readonly hits: Hits
  readonly cpuUs: number
  readonly busy: number
}

async function measure(proxy: Proxy, load: Load, of: Case, ms: number): Promise<Round> {
  const pid = [proxy.child.pid!]
  const before = usageOf(pid)
  const hits = await load.fire({ case: of, port: proxy.setup.ports[of.listener], ms })
  const cpu = usageOf(pid).cpu - before.cpu
  return { hits, cpuUs: (cpu / hits.count) * 1e6, busy: (cpu / hits.seconds) * 100 }
}

function rowOf(of: Case, proxy: Proxy, rounds: readonly Round[], load: Load): Row {
  const fastest = rounds.reduce((best, round) =>
    round.hits.count / round.hits.seconds > best.hits.count / best.hits.seconds ? round : best,
  )
  const { hits } = fastest
  return {
    case: of.name,
    proxy: proxy.contender.name,
    cpuUs: Math.min(...rounds.map(({ cpuUs }) => cpuUs)),
    timesHaproxy: Number.NaN,
    perSecond: hits.count / hits.seconds,
    busy: fastest.busy,
    p50Ms: Math.min(...rounds.map(({ hits }) => hits.p50Ms)),
    p99Ms: Math.min(...rounds.map(({ hits }) => hits.p99Ms)),
    rssMb: usageOf([proxy.child.pid!]).memory / 1e6,
    errors: rounds.reduce((sum, { hits }) => sum + hits.errors, 0),
    load: load.generator(of),
  }
}

/** One short shot: whether the proxy does the case, and its code is warm. */
async function warmUp(proxy: Proxy, load: Load, of: Case): Promise<boolean> {
  const { hits } = await measure(proxy, load, of, 1_000)
  if (hits.count > hits.errors) return true
  progress(`  ${proxy.contender.name} does not do ${of.name}`)
  return false
}

async function runCase(of: Case, proxies: readonly Proxy[], load: Load, options: Options) {
  const able: Proxy[] = []
  for (const proxy of proxies) {
    progress(`${of.name}, warming up: ${proxy.contender.name}`)
    if (proxy.contender.serves(of) && (await warmUp(proxy, load, of))) able.push(proxy)
  }
  const rounds = new Map<Proxy, Round[]>(able.map((proxy) => [proxy, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const proxy of able) {
      progress(`${of.name}, round ${round} of ${options.rounds}: ${proxy.contender.name}`)
      rounds.get(proxy)!.push(await measure(proxy, load, of, options.seconds * 1_000))
    }
  }
  const rows = able.map((proxy) => rowOf(of, proxy, rounds.get(proxy)!, load))
  const haproxy = rows.find(({ proxy }) => proxy === 'haproxy')
  if (haproxy) for (const row of rows) row.timesHaproxy = row.cpuUs / haproxy.cpuUs
  return rows
}

async function main(asked: Options): Promise<number> {
  const options = asked.quick ? { ...asked, rounds: 2, seconds: 1 } : asked
  const cases = CASES.filter(({ name }) => options.case?.includes(name) ?? true)
  const contenders = findContenders().filter(({ name }) => options.proxy?.includes(name) ?? true)
  if (!canPin) progress('processes are not bound to cores: that takes two of them and taskset')
  const folder = mkdtempSync(join(tmpdir(), 'aries-bench-'))
  const children: ChildProcess[] = []
  const load = await startLoad(options.ownLoad === true)
  try {
    const origin = await forkPinned<Setup['origin']>(LOAD_CORE, ORIGIN)
    children.push(origin.child)
    const proxies: Proxy[] = []
    for (const contender of contenders) {
      const [http, https, tcp] = (await freePorts(3)) as [number, number, number]
      const own = mkdtempSync(join(folder, 'proxy-'))
      const ports = { http, https, tcp }
      const setup = { folder: own, ports, origin: origin.told, certificate: CERTIFICATE }
      const child = await contender.start(setup)
      children.push(child)
      proxies.push({ contender, child, setup })
    }
    const rows: Row[] = []
    for (const of of cases) rows.push(...(await runCase(of, proxies, load, options)))
    console.log(`\n${machineLine()}; proxies on one, load and origin on the other\n`)
    console.log(formatTable(rows, COLUMNS))
    console.log(`\n${verdicts(rows)}`)
    if (options.json) writeJson(options.json, rows)
    return rows.some(({ proxy, errors }) => proxy === 'aries' && errors > 0) ? 1 : 0
  } finally {
    await Promise.all([load.stop(), ...children.map(stopProcess)])
    rmSync(folder, { recursive: true, force: true })
  }
}

await new Command('bench-front')
  .description('Measure what forwarding costs, beside HAProxy, nginx and proxies of Node.')
  .option('--case <names...>', `only these: ${CASES.map(({ name }) => name).join(', ')}`)
  .option('--proxy <names...>', 'only these')
  .option('--rounds <n>', 'how often each is measured', wholeNumber, 4)
  .option('--seconds <n>', 'how long each time', wholeNumber, 3)
  .option('--own-load', 'do not use wrk, though it is there')
  .option('--quick', '2 rounds of 1 s')
  .option('--json <file>', 'write the figures there, too')
  .action(async (options: Options) => {
    process.exitCode = await main(options)
  })
  .parseAsync()
