/** The host's port: requests by `aries-worker`, session links and moves by upgrade. */
import type { Duplex } from 'node:stream'
import type { Tokens } from '../auth.ts'
import { parseChain } from '../calls/chain.ts'
import { checkKey } from '../calls/key.ts'
import { AriesError, toAriesError } from '../errors.ts'
import type { ParsedRequest } from '../http1/request-head.ts'
import { Http1Server } from '../http1/server.ts'
import type { ServerExchange } from '../http1/server-exchange.ts'
import type { ServerHandlers, ServerLimits, Upgrade } from '../http1/server-home.ts'
import { formatWorkerId, parseWorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { formatOwner, HEADER } from '../wire.ts'
import type { Clock } from '../world.ts'
import { RequestBodies } from './body.ts'
import { Exchange } from './exchange.ts'
import type { Forwarder } from './forwarder.ts'
import { KeyedInvocation, PlainInvocation } from './invocation.ts'
import type { OpenWorker } from './open-worker.ts'
import { sendError } from './response.ts'
import type { TrafficPeer } from './traffic.ts'
import type { WorkerTable } from './worker-table.ts'

const LIMITS: ServerLimits = {
  /** Above the largest head that a front may be told to take (`front.headBytesMax`), and its own part. */
  headBytesMax: 1_114_112,
  headBytesLimit: 'a fixed limit',
  /** A front takes a hundred lines of its client and adds its own. */
  fieldsMax: 256,
  headTimeoutMs: 60_000,
  bodyTimeoutMs: 300_000,
  /** A front keeps its connections longer than it leaves them idle; this is longer still. */
  idleTimeoutMs: 300_000,
}

/** What a connection may be upgraded to, by the value of `Upgrade`. */
export type UpgradeHandlers = Readonly<Record<string, (socket: Duplex) => void>>

export class HostServer implements ServerHandlers {
  readonly #table: WorkerTable
  readonly #forwarder: Forwarder
  readonly #clock: Clock
  readonly #log: Logger
  readonly #node: string
  readonly #tokens: Tokens
  readonly #bodyBytesMax: number
  readonly #bodies: RequestBodies
  readonly #upgrades: UpgradeHandlers
  readonly #server: Http1Server
  inFlight = 0
  /** Of requests and answers since the start. */
  bytes = 0

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
    this.#bodies = new RequestBodies(init.bodyBytesMax)
    this.#upgrades = init.upgrades
    this.#server = new Http1Server(this, LIMITS)
  }

  /** Resolves with the port. */
  listen(bind: string): Promise<number> {
    return this.#server.listen(bind, 'the workers of this node')
  }

  /** Takes no new connection; resolves when every request is answered. */
  close(): Promise<void> {
    return this.#server.close()
  }

  // For the connections.

  request(http: ServerExchange): void {
    this.inFlight++
    try {
      this.#authorize(http.head)
      const name = this.#workerName(http.head)
      const key = http.head.fields.list('idempotency-key')
      if (key !== undefined) checkKey(key)
      if (!this.#table.has(name) && !this.#table.wentTo(name)) this.#notOwner(http, name)
      else if (http.head.hasBody || this.#table.rouse(name)) {
        this.#deliverLater(http, name, key).catch((error: unknown) => this.refuse(http, error))
      } else this.#deliver(http, name, key, undefined)
    } catch (error) {
      this.refuse(http, error)
    }
  }

  over(http: ServerExchange, bytes: number): void {
    this.inFlight--
    this.bytes += bytes
    this.#bodies.release(http)
    const meter = this.#table.awake(http.head.fields.get(HEADER.worker) ?? '')?.meter
    if (!meter) return
    meter.ioBytes += bytes
    meter.exchanged(senderOf(http), bytes)
  }

  upgrade(head: ParsedRequest): Upgrade | number {
    const protocol = (head.upgrade ?? '').toLowerCase()
    const take = Object.hasOwn(this.#upgrades, protocol) ? this.#upgrades[protocol] : undefined
    try {
      this.#authorize(head)
    } catch {
      return 401
    }
    if (this.#server.closing) return 503
    return take ? { protocol, take } : 400
  }

  refuse(http: ServerExchange, thrown: unknown): void {
    const error = toAriesError(thrown)
    if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: thrown }, 'request failed')
    sendError(http, this.#node, error)
  }

  async #deliverLater(http: ServerExchange, name: string, key: string | undefined): Promise<void> {
    const body = http.head.hasBody ? await this.#bodies.read(http) : undefined
    await this.#table.rouse(name)
    this.#deliver(http, name, key, body)
  }

  #deliver(
    http: ServerExchange,
    name: string,
    key: string | undefined,
    body: Buffer | undefined,
  ): void {
    if (http.over) return
    const worker = this.#table.get(name)
    const exchange = this.#exchange(http, key, body, worker)
    if (worker) {
      if (worker.offer(exchange)) return
      exchange.fail(new AriesError('ARIES_E_OVERLOADED', `the queue of ${name} is full`))
      return
    }
    const owner = this.#table.wentTo(name)
    const asked = Number(http.head.fields.get(HEADER.epoch) ?? 0)
    // Only to a newer epoch than the sender knows of: two hosts must not send it to and fro.
    if (owner && owner.epoch > asked) exchange.moved(owner)
    else this.#notOwner(http, name)
  }

  #exchange(
    http: ServerExchange,
    key: string | undefined,
    body: Buffer | undefined,
    worker: OpenWorker | undefined,
  ): Exchange {
    const { method, target, fields } = http.head
    const asked = {
      method,
      url: target,
      rawHeaders: fields.flat(),
      body,
      calls: fields.get(HEADER.call),
      answerBytesMax: this.#bodyBytesMax,
    }
    const invocation =
      key === undefined || !worker
        ? new PlainInvocation(asked)
        : new KeyedInvocation({ worker, wallMs: this.#clock.wallMs }, { asked, key })
    return new Exchange(
      { http, invocation, log: this.#log, forwarder: this.#forwarder },
      {
        node: this.#node,
        arrivedMs: this.#clock.nowMs(),
        chain: parseChain(fields.get(HEADER.chain)),
        body,
      },
    )
  }

  #notOwner(http: ServerExchange, name: string): void {
    const owner = this.#table.wentTo(name)
    sendError(
      http,
      this.#node,
      new AriesError('ARIES_E_NOT_OWNER', `${name} is not on ${this.#node}`),
      owner ? { [HEADER.owner]: formatOwner(owner) } : {},
    )
  }

  #workerName(head: ParsedRequest): string {
    const name = head.fields.get(HEADER.worker)
    if (name === undefined) {
      throw new AriesError('ARIES_E_BAD_REQUEST', `${HEADER.worker} is missing`)
    }
    if (this.#table.awake(name)) return name
    // Written again: one worker must not be known under two spellings.
    return formatWorkerId(parseWorkerId(name))
  }

  #authorize(head: ParsedRequest): void {
    if (this.#tokens.accept(head.fields.get(HEADER.auth))) return
    throw new AriesError('ARIES_E_UNAUTHORIZED', `${HEADER.auth} is missing or wrong`)
  }
}

/** Another worker, a task, or a front: that is no node, and only its machine is known. */
function senderOf({ head, remoteAddress }: ServerExchange): TrafficPeer {
  const node = head.fields.get(HEADER.node)
  if (node === undefined) return { address: remoteAddress }
  const caller = parseChain(head.fields.get(HEADER.chain)).at(-1)
  return caller === undefined ? { node } : { with: caller, node }
}
