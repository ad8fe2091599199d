/**
 * What forwarding costs: the aries engine, plain http-proxy with a keep-alive agent, and the engine
 * with the http-proxy forwarder, each in a process of its own, in turns.
 *
 * Usage: node loadtest/bench-forward.ts [--json FILE] [--quick]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fire } from './cannon.ts'
import { formatTable, machineLine, progress, writeJson } from './report.ts'

const PROXIES = ['aries', 'http-proxy', 'aries with http-proxy'] as const
const CASES = [
  { name: '100 B', path: '/small', amount: 40_000 },
  { name: '64 KiB', path: '/large', amount: 8_000 },
] as const
const CONNECTIONS = 50

interface Row {
  case: string
  proxy: string
  /** CPU of the proxy's process for one request: the best of the rounds, for noise only adds. */
  cpuUs: number
  /** CPU of one request as a multiple of the engine's. */
  timesAries: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  rssMb: number
  errors: number
}

interface Usage {
  readonly cpu: NodeJS.CpuUsage
  readonly rssBytes: number
}

async function start(role: string, originPort = 0): Promise<{ child: ChildProcess; port: number }> {
  const file = fileURLToPath(new URL('./bench-forward-child.ts', import.meta.url))
  const child = fork(file, [role, String(originPort)], { execArgv: [] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return { child, port }
}

async function usage(child: ChildProcess): Promise<Usage> {
  child.send('usage')
  return ((await once(child, 'message')) as [Usage])[0]
}

async function measure(
  proxy: { child: ChildProcess; port: number },
  path: string,
  amount: number,
): Promise<Omit<Row, 'case' | 'proxy' | 'timesAries'>> {
  const before = await usage(proxy.child)
  const hits = await fire({
    url: `http://127.0.0.1:${proxy.port}`,
    method: 'GET',
    path: () => path,
    connections: CONNECTIONS,
    amount,
  })
  const after = await usage(proxy.child)
  const cpuUs = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system
  return {
    cpuUs: cpuUs / amount,
    perSecond: hits.perSecond,
    p50Ms: hits.p50Ms,
    p99Ms: hits.p99Ms,
    rssMb: after.rssBytes / 1e6,
    errors: hits.errors,
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: 'string' }, quick: { type: 'boolean' } },
  })
  const rounds = values.quick ? 2 : 4
  const scale = values.quick ? 0.25 : 1
  const origin = await start('origin')
  const proxies = await Promise.all(PROXIES.map((role) => start(role, origin.port)))
  const rows: Row[] = []
  try {
    for (const { name, path, amount } of CASES) {
      const best: (Row | undefined)[] = []
      // The first round warms up and is not counted.
      for (let round = 0; round <= rounds; round++) {
        for (const [i, proxy] of proxies.entries()) {
          progress(`${name}, round ${round} of ${rounds}: ${PROXIES[i]}`)
          const figures = await measure(proxy, path, Math.round(amount * scale))
          const row = { case: name, proxy: PROXIES[i]!, timesAries: 0, ...figures }
          const errors = (best[i]?.errors ?? 0) + row.errors
          if (round > 0 && row.cpuUs < (best[i]?.cpuUs ?? Number.POSITIVE_INFINITY)) best[i] = row
          if (best[i]) best[i].errors = errors
        }
      }
      const found = best.filter((row) => row !== undefined)
      for (const row of found) row.timesAries = row.cpuUs / found[0]!.cpuUs
      rows.push(...found)
    }
  } finally {
    for (const { child } of [origin, ...proxies]) child.kill()
  }
  console.log(`\n${machineLine()}; load, proxy and origin share them\n`)
  console.log(
    formatTable(rows, [
      { key: 'case', title: 'body' },
      { key: 'proxy', title: 'proxy' },
      { key: 'cpuUs', title: 'CPU µs/request', digits: 1 },
      { key: 'timesAries', title: '× aries', digits: 1 },
      { key: 'perSecond', title: 'requests/s' },
      { key: 'p50Ms', title: 'p50 ms', digits: 1 },
      { key: 'p99Ms', title: 'p99 ms', digits: 1 },
      { key: 'rssMb', title: 'RSS MB' },
      { key: 'errors', title: 'errors' },
    ]),
  )
  if (values.json) writeJson(values.json, rows)
  return rows.some((row) => row.errors > 0) ? 1 : 0
}

process.exitCode = await main()
