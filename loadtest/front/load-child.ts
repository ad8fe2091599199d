/**
 * The load of `bench:front` in a process of its own: a closed loop over raw sockets, which costs a
 * fraction of what an HTTP client does. Told a case by IPC, it answers with what it saw.
 */
import { connect as connectH2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Case } from './cases.ts'

export interface Shot {
  readonly case: Case
  readonly port: number
  readonly ms: number
}

export interface Hits {
  readonly count: number
  readonly errors: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Latencies beyond this many are not kept: a long run of the cheapest case has fewer. */
const LATENCIES_MAX = 2_000_000
const LATENCIES = new Float64Array(LATENCIES_MAX)
/** One buffer for all sockets: what is read is only counted. */
const READ_BUFFER = Buffer.allocUnsafe(262_144)
const GIVE_UP_MS = 10_000

let count = 0
let errors = 0
let untilMs = 0

function noted(sinceMs: number): void {
  if (count < LATENCIES_MAX) LATENCIES[count] = performance.now() - sinceMs
  count++
}

function goesOn(): boolean {
  return performance.now() < untilMs
}

/** Knows where an answer ends. */
interface Reader {
  /** Takes the first `bytes` of `READ_BUFFER`; whether the answer is complete. */
  take(bytes: number): boolean
  readonly ok: boolean
}

class HttpReader implements Reader {
  ok = true
  #left = 0

  take(bytes: number): boolean {
    if (this.#left > 0) this.#left -= bytes
    else {
      const end = READ_BUFFER.subarray(0, bytes).indexOf('\r\n\r\n')
      if (end < 0) throw new Error('half a head')
      const head = READ_BUFFER.toString('latin1', 0, end)
      this.ok = head.startsWith('HTTP/1.1 200')
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
      this.#left = length - (bytes - end - 4)
    }
    return this.#left <= 0
  }
}

/** A switch of protocols first, if there is one; then echoes of a known length. */
class EchoReader implements Reader {
  readonly ok = true
  readonly #bytes: number
  #left: number
  #switches: boolean

  constructor(bytes: number, switches: boolean) {
    this.#bytes = bytes
    this.#left = bytes
    this.#switches = switches
  }

  take(bytes: number): boolean {
    if (this.#switches) {
      this.#switches = false
      const head = READ_BUFFER.toString('latin1', 0, bytes)
      if (!head.startsWith('HTTP/1.1 101') || !head.endsWith('\r\n\r\n')) throw new Error(head)
      return true
    }
    this.#left -= bytes
    if (this.#left > 0) return false
    this.#left = this.#bytes
    return true
  }
}

interface Talk {
  /** Sent once, answered once, not counted. */
  readonly opening: string | undefined
  readonly message: Buffer
  readonly reader: () => Reader
}

function talkOf(of: Case, port: number): Talk {
  const host = `Host: 127.0.0.1:${port}\r\n`
  if (of.speaks === 'echo') {
    const message = Buffer.alloc(100, 'x')
    return { opening: undefined, message, reader: () => new EchoReader(100, false) }
  }
  if (of.speaks === 'websocket') {
    const opening = `GET ${of.path} HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    // Masked with zeros: a frame like any other.
    const message = Buffer.concat([Buffer.of(0x82, 0x80 | 100, 0, 0, 0, 0), Buffer.alloc(100, 'x')])
    return { opening, message, reader: () => new EchoReader(102, true) }
  }
  const close = of.closes ? 'Connection: close\r\n' : ''
  const lines = `${host}User-Agent: bench\r\nAccept: */*\r\n${close}`
  const head =
    of.uploadBytes > 0
      ? `POST ${of.path} HTTP/1.1\r\n${lines}Content-Length: ${of.uploadBytes}\r\n\r\n`
      : `GET ${of.path} HTTP/1.1\r\n${lines}\r\n`
  const message = Buffer.from(head + 'x'.repeat(of.uploadBytes), 'latin1')
  return { opening: undefined, message, reader: () => new HttpReader() }
}

/** One connection, again and again; resolves when the time is over. */
function lane({ case: of, port }: Shot, talk: Talk): Promise<void> {
  return new Promise((resolve) => {
    let socket: Socket
    let reader = talk.reader()
    let sinceMs = 0
    let opened = false
    let answered = false
    const send = (): void => {
      if (!goesOn()) {
        socket.destroy()
        return
      }
      answered = false
      sinceMs = performance.now()
      socket.write(talk.message)
    }
    const read = (bytes: number): boolean => {
      let isWhole: boolean
      try {
        isWhole = reader.take(bytes)
      } catch {
        socket.destroy()
        return false
      }
      if (!isWhole) return true
      if (talk.opening !== undefined && !opened) {
        opened = true
        send()
        return true
      }
      answered = true
      if (!reader.ok) errors++
      if (of.closes) return true
      noted(sinceMs)
      send()
      return true
    }
    const begin = (): void => {
      reader = talk.reader()
      opened = false
      answered = false
      if (of.closes) sinceMs = performance.now()
      const onread = { buffer: READ_BUFFER, callback: read }
      const started = (): void => {
        if (talk.opening !== undefined) socket.write(talk.opening)
        else if (of.closes) socket.write(talk.message)
        else send()
      }
      const address = { host: '127.0.0.1', port, noDelay: true, onread }
      if (of.listener === 'https') {
        socket = connectTls(
          { ...address, rejectUnauthorized: false, servername: 'any.example' },
          started,
        )
      } else socket = connect(address, started)
      socket.on('error', () => {
        if (goesOn()) errors++
      })
      socket.on('close', () => {
        if (of.closes) {
          if (answered) noted(sinceMs)
          else errors++
        } else if (goesOn()) errors++
        if (!goesOn()) resolve()
        else setImmediate(begin)
      })
    }
    begin()
  })
}

async function laneH2({ case: of, port }: Shot): Promise<void> {
  const session = connectH2(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    servername: 'any.example',
  })
  const stream = (): Promise<void> =>
    new Promise((resolve) => {
      const begin = (): void => {
        const sinceMs = performance.now()
        const request = session.request({ ':path': of.path, 'user-agent': 'bench' })
        let ok = false
        request.on('response', (headers) => {
          ok = headers[':status'] === 200
        })
        request.on('error', () => {
          ok = false
        })
        request.on('close', () => {
          if (ok) noted(sinceMs)
          else errors++
          if (goesOn() && !session.destroyed) begin()
          else resolve()
        })
        request.resume()
      }
      begin()
    })
  session.on('error', () => errors++)
  await Promise.all(Array.from({ length: of.streams }, stream))
  session.destroy()
}

async function fire(shot: Shot): Promise<Hits> {
  const { case: of, port, ms } = shot
  const startedMs = performance.now()
  count = 0
  errors = 0
  untilMs = startedMs + ms
  const talk = talkOf(of, port)
  const run = of.speaks === 'h2' ? () => laneH2(shot) : () => lane(shot, talk)
  const lanes = Promise.all(Array.from({ length: of.connections }, run))
  let hung: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    hung = setTimeout(() => resolve('late'), ms + GIVE_UP_MS)
  })
  if ((await Promise.race([lanes, late])) === 'late') errors++
  clearTimeout(hung)
  const seconds = (performance.now() - startedMs) / 1_000
  const sorted = LATENCIES.subarray(0, Math.min(count, LATENCIES_MAX)).slice().sort()
  const at = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
  return { count, errors, seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

process.on('message', (shot: Shot) => {
  void fire(shot).then((hits) => process.send!(hits))
})
process.on('disconnect', () => process.exit(0))
process.send!('ready')
