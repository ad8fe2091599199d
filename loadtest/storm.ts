/**
 * `npm run storm`: 100,000 connections a minute to a front of one shard, most of them ill: they reset
 * at once, send half a head, send nonsense, leave before the answer. One in five is a client that asks
 * and waits. Exits with 1 when one of those got no answer, or when files are left open behind.
 */
import { connect } from 'node:net'
import { Command } from 'commander'
import { OpenLoop, quantile } from '../test/helpers/load.ts'
import { until } from '../test/helpers/until.ts'
import { AriesFront } from './front/aries.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

interface Row {
  readonly clients: 'good' | 'ill'
  readonly count: number
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'clients', title: 'clients' },
  { key: 'count', title: 'count' },
  { key: 'failed', title: 'failed' },
  { key: 'p50Ms', title: 'p50 ms', digits: 1 },
  { key: 'p99Ms', title: 'p99 ms', digits: 1 },
]

const GET = 'GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
/** What an ill client sends before it resets its connection. */
const BEGINNINGS = ['', GET.slice(0, 15), 'what?\r\n\r\n', GET]
const KINDS = BEGINNINGS.length + 1
/** Connections to targets stay for a while. */
const FILES_KEPT = 200

/** Resolves with whether a good client got its answer. */
function visit(port: number, beginning: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
      socket.write(beginning ?? GET, () => {
        if (beginning !== undefined) socket.resetAndDestroy()
      })
    })
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text.startsWith('HTTP/1.1 200 ')))
  })
}

async function main(options: { minutes: number; perMinute: number; json?: string }) {
  const front = await AriesFront.start({})
  try {
    await visit(front.ports.http, undefined)
    const before = { files: front.openFiles, memory: front.memory }
    const latencies: number[] = []
    const failed = { good: 0, ill: 0 }
    let ill = 0
    const loop = new OpenLoop(options.perMinute / 60, async (n) => {
      const beginning = BEGINNINGS[n % KINDS]
      const startedMs = performance.now()
      const isAnswered = await visit(front.ports.http, beginning)
      if (beginning !== undefined) {
        ill++
        return
      }
      latencies.push(performance.now() - startedMs)
      if (!isAnswered) failed.good++
    })
    const total = options.perMinute * options.minutes
    loop.start()
    await until('the storm is over', () => loop.sent >= total, options.minutes * 120_000)
    await loop.stop()
    progress('waiting until all is closed')
    await until('files are closed', () => front.openFiles <= before.files + FILES_KEPT, 60_000)
    const rows: Row[] = [
      {
        clients: 'good',
        count: latencies.length,
        failed: failed.good,
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
      },
      { clients: 'ill', count: ill, failed: 0, p50Ms: Number.NaN, p99Ms: Number.NaN },
    ]
    console.log(`\n${machineLine()}\n\n${formatTable(rows, COLUMNS)}\n`)
    console.log(
      `memory ${(before.memory / 1e6).toFixed(0)} MB before, ${(front.memory / 1e6).toFixed(0)} MB after; open files ${before.files}, ${front.openFiles}`,
    )
    if (options.json) writeJson(options.json, rows)
    return failed.good > 0 ? 1 : 0
  } finally {
    await front.stop()
  }
}

await new Command('storm')
  .description(
    '100,000 connections a minute, most of them ill: a good client is answered all the same.',
  )
  .option('--minutes <n>', 'how long', wholeNumber, 1)
  .option('--per-minute <n>', 'how many', wholeNumber, 100_000)
  .option('--quick', '10,000 in all')
  .option('--json <file>', 'write the figures there, too')
  .action(
    async ({ quick, ...options }: { minutes: number; perMinute: number; quick?: boolean }) => {
      process.exitCode = await main(quick ? { ...options, minutes: 1, perMinute: 10_000 } : options)
    },
  )
  .parseAsync()
