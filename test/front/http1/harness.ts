/** Real sockets around an engine: raw clients, raw origins, and a planner that a test decides. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { pino } from 'pino'
import type { Test } from 'tap'
import { type ConfigFile, configSchema } from '../../../src/config/schema.ts'
import { HttpProxyForwarder } from '../../../src/front/forward/http-proxy.ts'
import { Http1Engine, type Http1EngineInit } from '../../../src/front/http1/engine.ts'
import type { ExchangeRecord } from '../../../src/front/http1/stats.ts'
import type {
  AttemptFailure,
  AttemptOutcome,
  Plan,
  Planner,
  RequestHead,
  Target,
} from '../../../src/front/plan.ts'
import { until } from '../../helpers/until.ts'

export const FRONT: ConfigFile['front'] = configSchema.parse({
  listeners: [{ http: '127.0.0.1:1' }],
  routes: [{ path: '/', task: 'x' }],
}).front

export const log = pino({ level: 'silent' })

/** A TCP connection that remembers what it read. */
export class RawSocket {
  readonly socket: Socket
  text = ''
  bytes = 0
  /** False: count what is read, do not keep it. */
  keep = true
  ended = false
  closed = false
  reset = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      if (this.keep) this.text += chunk.toString('latin1')
    })
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') this.reset = true
    })
    socket.on('close', () => {
      this.closed = true
    })
  }

  write(data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }

  /** Each byte in a packet of its own, as far as the kernel lets us. */
  async drip(data: string): Promise<void> {
    for (const byte of Buffer.from(data, 'latin1')) {
      this.socket.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  has(part: string): Promise<void> {
    return until(`"${part}" in "${this.text.slice(0, 500)}"`, () => this.text.includes(part))
  }

  gone(): Promise<void> {
    return until(
      `end of the connection after "${this.text.slice(0, 500)}"`,
      () => this.ended || this.closed,
    )
  }
}

export async function dial(t: Test, port: number, allowHalfOpen = false): Promise<RawSocket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen })
  t.teardown(() => socket.destroy())
  const raw = new RawSocket(socket)
  await once(socket, 'connect')
  return raw
}

/** Sends `data` over a new connection and returns what came until the server ended it. */
export async function ask(t: Test, port: number, data: string): Promise<string> {
  const client = await dial(t, port)
  client.write(data)
  await client.gone()
  client.socket.destroy()
  return client.text
}

export interface Origin {
  readonly port: number
  readonly connections: RawSocket[]
  readonly requests: () => number
}

/** A server that does to each connection what the test wants. `answer` is called when more has come. */
export async function rawOrigin(
  t: Test,
  answer: (connection: RawSocket, index: number) => void,
): Promise<Origin> {
  const connections: RawSocket[] = []
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const raw = new RawSocket(socket)
    const index = connections.push(raw) - 1
    socket.on('data', () => answer(raw, index))
    socket.on('end', () => socket.end())
  })
  const port = await listen(t, server, connections)
  return {
    port,
    connections,
    requests: () => connections.reduce((sum, { text }) => sum + heads(text), 0),
  }
}

function heads(text: string): number {
  return text.split(/ HTTP\/1\.1\r\n/).length - 1
}

async function listen(t: Test, server: Server, connections: readonly RawSocket[]): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const { socket } of connections) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port at which nobody listens; not an ephemeral one, which the next `listen` could be given. */
export const CLOSED_PORT = 1

export const FORWARDERS = ['aries', 'http-proxy'] as const
export type ForwarderName = (typeof FORWARDERS)[number]

export function targetAt(port: number, id = `target-${port}`): Target {
  return { id, poolKey: id, host: '127.0.0.1', port }
}

/** The target at `port` by one of the two forwarders. */
export function forwardTo(t: Test, forwarder: ForwarderName, port: number): Target {
  if (forwarder === 'aries') return targetAt(port)
  const proxy = new HttpProxyForwarder({ log }, { upstream: `http://127.0.0.1:${port}` })
  t.teardown(() => proxy.close())
  return { ...targetAt(port), connect: () => proxy.connect() }
}

/** Tries its targets in order; remembers what it heard. */
export class ListPicker {
  readonly failures: AttemptFailure[] = []
  readonly outcomes: AttemptOutcome[] = []
  readonly repeatable: boolean
  done_ = 0
  lastFailure: AttemptFailure | undefined
  readonly #targets: readonly Target[]
  #next = 0

  constructor(targets: readonly Target[], repeatable = false) {
    this.#targets = targets
    this.repeatable = repeatable
  }

  pick(failure?: AttemptFailure): Target | Promise<Target> {
    if (failure) this.failures.push(failure)
    const target = this.#targets[this.#next++]
    if (target === undefined) throw failure!.error
    return target
  }

  answered(outcome: AttemptOutcome): void {
    this.outcomes.push(outcome)
  }

  done(failure?: AttemptFailure): void {
    this.done_++
    this.lastFailure = failure
  }
}

export interface Front {
  readonly port: number
  readonly engine: Http1Engine
  readonly heads: RequestHead[]
  readonly records: ExchangeRecord[]
  readonly sockets: Socket[]
}

export async function startFront(
  t: Test,
  plan: Planner['plan'],
  init: Partial<Http1EngineInit> = {},
): Promise<Front> {
  const heads: RequestHead[] = []
  const records: ExchangeRecord[] = []
  const sockets: Socket[] = []
  const planner = {
    plan(head: RequestHead): Plan {
      heads.push(head)
      return plan(head)
    },
  }
  const engine = new Http1Engine(
    { planner, log, hooks: { exchangeDone: (record) => records.push(record) } },
    { ...FRONT, ...init },
  )
  const server = createServer((socket) => {
    sockets.push(socket)
    engine.accept(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    await engine.close(0)
  })
  return { port: (server.address() as AddressInfo).port, engine, heads, records, sockets }
}

/** A front whose every request goes to one target. */
export function startFrontTo(
  t: Test,
  target: Target,
  init: Partial<Http1EngineInit> = {},
): Promise<Front> {
  return startFront(t, () => ({ kind: 'forward', picker: new ListPicker([target]) }), init)
}

export function reply(body: string): Plan {
  return { kind: 'reply', status: 200, headers: [], body }
}
