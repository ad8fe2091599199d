/**
 * `npm run bench:connections`: what idle clients cost a front of one shard: connections that have
 * asked once and stay, and WebSockets that are open. Memory of the whole process before and with them.
 * Exits with 1 when one of them was closed, or is not answered afterwards.
 */
import { execFileSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { AriesFront } from './front/aries.ts'
import { wholeNumber } from './options.ts'
import { type Column, formatTable, machineLine, progress, writeJson } from './report.ts'

const ASKED_MB = 120
/** Opened at the same time. */
const BATCH = 200
/** Files that a front has open besides clients and their targets. */
const FILES_BESIDES = 500
const SETTLE_MS = 10_000

interface Row {
  readonly clients: 'keep-alive' | 'WebSocket'
  readonly count: number
  readonly emptyMb: number
  readonly fullMb: number
  readonly addedMb: number
  /** Of memory, for each client. */
  readonly bytes: number
  readonly bad: number
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'clients', title: 'idle clients' },
  { key: 'count', title: 'count' },
  { key: 'emptyMb', title: 'MB without' },
  { key: 'fullMb', title: 'MB with' },
  { key: 'addedMb', title: 'MB added' },
  { key: 'bytes', title: 'B each' },
  { key: 'bad', title: 'bad' },
]

const GET = 'GET /small HTTP/1.1\r\nHost: a\r\n\r\n'
const UPGRADE =
  'GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const PING = Buffer.from([0x82, 0x82, 0, 0, 0, 0, 0x68, 0x69])

/** Sends, and resolves when something has come back that begins with `wanted`. */
function ask(socket: Socket, message: string | Buffer, wanted: string): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve(false))
    socket.once('data', (answer) => resolve(answer.toString('latin1').startsWith(wanted)))
    socket.write(message)
  })
}

async function open(port: number, count: number, message: string, wanted: string) {
  const sockets: Socket[] = []
  let bad = 0
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, () => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      socket.on('error', () => socket.destroy())
      return socket
    })
    sockets.push(...batch)
    const answers = await Promise.all(batch.map((socket) => ask(socket, message, wanted)))
    bad += answers.filter((isRight) => !isRight).length
  }
  return { sockets, bad }
}

async function measure(clients: Row['clients'], count: number): Promise<Row> {
  const isPlain = clients === 'keep-alive'
  const front = await AriesFront.start({ connectionsMax: 65_536, idleTimeoutMs: 3_600_000 })
  try {
    // The code is there and compiled before anything is measured.
    const first = isPlain ? GET : UPGRADE
    const wanted = isPlain ? 'HTTP/1.1 200' : 'HTTP/1.1 101'
    const early = await open(front.ports.http, BATCH, first, wanted)
    for (const socket of early.sockets) socket.destroy()
    await sleep(SETTLE_MS)
    const empty = front.memory
    progress(`${clients}: opening ${count}`)
    const { sockets, bad } = await open(front.ports.http, count, first, wanted)
    await sleep(SETTLE_MS)
    const full = front.memory
    progress(`${clients}: asking each again`)
    let wrong = bad
    for (let at = 0; at < sockets.length; at += BATCH) {
      const answers = await Promise.all(
        sockets
          .slice(at, at + BATCH)
          .map((socket) => (isPlain ? ask(socket, GET, wanted) : ask(socket, PING, '\x82\x02hi'))),
      )
      wrong += answers.filter((isRight) => !isRight).length
    }
    for (const socket of sockets) socket.destroy()
    const added = full - empty
    return {
      clients,
      count,
      emptyMb: empty / 1e6,
      fullMb: full / 1e6,
      addedMb: added / 1e6,
      bytes: added / count,
      bad: wrong,
    }
  } finally {
    await front.stop()
  }
}

/** Files that a process may have open here: Node raises its own limit to the hard one. */
function filesMax(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -Hn']).toString().trim()
  return text === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(text)
}

async function main(options: { connections: number; json?: string }): Promise<number> {
  const files = filesMax() - FILES_BESIDES
  const plain = Math.min(options.connections, files)
  // Each has a connection to its target, too.
  const webSockets = Math.min(options.connections, Math.floor(files / 2))
  if (webSockets < options.connections) {
    progress(`open files are limited to ${files + FILES_BESIDES} (ulimit -Hn): fewer clients`)
  }
  const rows = [await measure('keep-alive', plain), await measure('WebSocket', webSockets)]
  console.log(`\n${machineLine()}\n\n${formatTable(rows, COLUMNS)}\n`)
  for (const { clients, bytes } of rows) {
    const mb = (bytes * 10_000) / 1e6
    const verdict = mb <= ASKED_MB ? 'reached' : 'missed'
    console.log(
      `${clients}: asked ≤ ${ASKED_MB} MB for 10,000, measured ${mb.toFixed(0)} MB: ${verdict}`,
    )
  }
  if (options.json) writeJson(options.json, rows)
  return rows.some(({ bad }) => bad > 0) ? 1 : 0
}

await new Command('bench-connections')
  .description('Measure what idle connections and idle WebSockets cost a front of one shard.')
  .option('--connections <n>', 'how many', wholeNumber, 10_000)
  .option('--quick', '1,000 of each')
  .option('--json <file>', 'write the figures there, too')
  .action(
    async ({ quick, ...options }: { connections: number; json?: string; quick?: boolean }) => {
      process.exitCode = await main(quick ? { ...options, connections: 1_000 } : options)
    },
  )
  .parseAsync()
