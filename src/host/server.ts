/** The host's port: requests by `aries-worker`, session links and moves by upgrade. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Tokens } from '../auth.ts'
import { parseChain } from '../calls/chain.ts'
import { checkKey } from '../calls/key.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId, parseWorkerId } from '../identity.ts'
import { listenOn } from '../listen.ts'
import type { Logger } from '../log.ts'
import { formatOwner, HEADER } from '../wire.ts'
import type { Clock } from '../world.ts'
import { BodyReader } from './body.ts'
import { Exchange } from './exchange.ts'
import type { Forwarder } from './forwarder.ts'
import { KeyedInvocation, PlainInvocation } from './invocation.ts'
import type { OpenWorker } from './open-worker.ts'
import { sendError } from './response.ts'
import { SocketTraffic } from './socket-traffic.ts'
import type { TrafficPeer } from './traffic.ts'
import type { WorkerTable } from './worker-table.ts'

/** A front keeps its connections longer than it leaves them idle; this is longer still. */
const KEEP_ALIVE_MS = 300_000
const HEAD_BYTES_MAX = 65_536

/** What a connection may be upgraded to, by the value of `Upgrade`. */
export type UpgradeHandlers = Readonly<Record<string, (socket: Duplex) => void>>

export class HostServer {
  readonly #table: WorkerTable
  readonly #forwarder: Forwarder
  readonly #clock: Clock
  readonly #log: Logger
  readonly #node: string
  readonly #tokens: Tokens
  readonly #bodyBytesMax: number
  readonly #bodies: BodyReader
  readonly #upgrades: UpgradeHandlers
  readonly #server: Server
  readonly #traffic = new SocketTraffic()
  #closing = false
  inFlight = 0

  constructor(
    components: { table: WorkerTable; forwarder: Forwarder; clock: Clock; log: Logger },
    init: { node: string; tokens: Tokens; bodyBytesMax: number; upgrades: UpgradeHandlers },
  ) {
    this.#table = components.table
    this.#forwarder = components.forwarder
    this.#clock = components.clock
    this.#log = components.log
    this.#node = init.node
    this.#tokens = init.tokens
    this.#bodyBytesMax = init.bodyBytesMax
    this.#bodies = new BodyReader(init.bodyBytesMax)
    this.#upgrades = init.upgrades
    this.#server = createServer(
      { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: HEAD_BYTES_MAX, noDelay: true },
      (req, res) => this.#request(req, res),
    )
    this.#server.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head))
  }

  /** Bytes of requests and answers since the start. */
  get bytes(): number {
    return this.#traffic.bytes
  }

  /** Resolves with the port. */
  async listen(bind: string): Promise<number> {
    await listenOn(this.#server, { host: bind, port: 0 }, 'the workers of this node')
    return (this.#server.address() as AddressInfo).port
  }

  /** Takes no new connection; resolves when every request is answered. */
  async close(): Promise<void> {
    this.#closing = true
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
  }

  #request(req: IncomingMessage, res: ServerResponse): void {
    this.inFlight++
    const { socket } = req
    res.once('close', () => {
      this.inFlight--
      const bytes = this.#traffic.since(socket)
      const meter = this.#table.awake(String(req.headers[HEADER.worker]))?.meter
      if (!meter) return
      meter.ioBytes += bytes
      meter.exchanged(senderOf(req), bytes)
    })
    if (this.#closing) res.setHeader('connection', 'close')
    try {
      this.#authorize(req)
      const name = this.#workerName(req)
      const key = req.headers['idempotency-key']
      if (key !== undefined) checkKey(String(key))
      if (!this.#table.has(name) && !this.#table.wentTo(name)) this.#notOwner(res, name)
      else if (BodyReader.expected(req) || this.#table.rouse(name)) {
        this.#deliverLater(req, res, name).catch((error: unknown) => this.#refuse(req, res, error))
      } else this.#deliver(req, res, name, undefined)
    } catch (error) {
      this.#refuse(req, res, error)
    }
  }

  async #deliverLater(req: IncomingMessage, res: ServerResponse, name: string): Promise<void> {
    const body = BodyReader.expected(req) ? await this.#bodies.read(req, res) : undefined
    await this.#table.rouse(name)
    this.#deliver(req, res, name, body)
  }

  #deliver(
    req: IncomingMessage,
    res: ServerResponse,
    name: string,
    body: Buffer | undefined,
  ): void {
    if (res.destroyed) return
    const worker = this.#table.get(name)
    const exchange = this.#exchange(req, res, body, worker)
    if (worker) {
      if (worker.offer(exchange)) return
      exchange.fail(new AriesError('ARIES_E_OVERLOADED', `the queue of ${name} is full`))
      return
    }
    const owner = this.#table.wentTo(name)
    const asked = Number(req.headers[HEADER.epoch] ?? 0)
    // Only to a newer epoch than the sender knows of: two hosts must not send it to and fro.
    if (owner && owner.epoch > asked) exchange.moved(owner)
    else this.#notOwner(res, name)
  }

  #exchange(
    req: IncomingMessage,
    res: ServerResponse,
    body: Buffer | undefined,
    worker: OpenWorker | undefined,
  ): Exchange {
    const { headers } = req
    const asked = {
      method: req.method!,
      url: req.url!,
      rawHeaders: req.rawHeaders,
      body,
      calls: one(headers[HEADER.call]),
      answerBytesMax: this.#bodyBytesMax,
    }
    const key = headers['idempotency-key']
    const invocation =
      key === undefined || !worker
        ? new PlainInvocation(asked)
        : new KeyedInvocation({ worker, wallMs: this.#clock.wallMs }, { asked, key: String(key) })
    return new Exchange(
      { req, res, invocation, log: this.#log, forwarder: this.#forwarder },
      {
        node: this.#node,
        arrivedMs: this.#clock.nowMs(),
        chain: parseChain(one(headers[HEADER.chain])),
        body,
      },
    )
  }

  #notOwner(res: ServerResponse, name: string): void {
    const owner = this.#table.wentTo(name)
    sendError(
      res,
      this.#node,
      new AriesError('ARIES_E_NOT_OWNER', `${name} is not on ${this.#node}`),
      owner ? { [HEADER.owner]: formatOwner(owner) } : {},
    )
  }

  #workerName(req: IncomingMessage): string {
    const name = req.headers[HEADER.worker]
    if (typeof name !== 'string') {
      throw new AriesError('ARIES_E_BAD_REQUEST', `${HEADER.worker} is missing`)
    }
    if (this.#table.awake(name)) return name
    // Written again: one worker must not be known under two spellings.
    return formatWorkerId(parseWorkerId(name))
  }

  #refuse(req: IncomingMessage, res: ServerResponse, thrown: unknown): void {
    const error = toAriesError(thrown)
    if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: thrown }, 'request failed')
    // The rest of a body that is not wanted would have to be read before the next request.
    sendError(res, this.#node, error, req.complete ? {} : { connection: 'close' })
  }

  #authorize(req: IncomingMessage): void {
    const shown = req.headers[HEADER.auth]
    if (this.#tokens.accept(typeof shown === 'string' ? shown : undefined)) return
    throw new AriesError('ARIES_E_UNAUTHORIZED', `${HEADER.auth} is missing or wrong`)
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    const protocol = String(req.headers.upgrade).toLowerCase()
    const handler = Object.hasOwn(this.#upgrades, protocol) ? this.#upgrades[protocol] : undefined
    const status = this.#upgradeRefusal(req, handler)
    if (status || !handler) {
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
    )
    if (head.length > 0) socket.unshift(head)
    handler(socket)
  }

  #upgradeRefusal(req: IncomingMessage, handler: unknown): string | undefined {
    try {
      this.#authorize(req)
    } catch {
      return '401 Unauthorized'
    }
    if (this.#closing) return '503 Service Unavailable'
    return handler ? undefined : '400 Bad Request'
  }
}

/** Another worker, a task, or a front: that is no node, and only its machine is known. */
function senderOf({ headers, socket }: IncomingMessage): TrafficPeer {
  const node = one(headers[HEADER.node])
  const caller = parseChain(one(headers[HEADER.chain])).at(-1)
  if (node === undefined) return { address: socket.remoteAddress ?? '' }
  return caller === undefined ? { node } : { with: caller, node }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
