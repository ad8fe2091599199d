import { AriesError } from '../errors.ts'
import type { ServerExchange } from '../http1/server-exchange.ts'
import type { Logger } from '../log.ts'
import { formatOwner, HEADER, type OwnerAddress } from '../wire.ts'
import { leanParts } from '../worker/lean-response.ts'
import type { Worker } from '../worker/worker.ts'
import type { Forwarder } from './forwarder.ts'
import { type Invocation, Reply } from './invocation.ts'
import type { Mail } from './mailbox.ts'
import { sendError, sendLean, sendReply, sendResponse } from './response.ts'

/** One request to a worker, its body read, and the way to answer it. */
export class Exchange implements Mail {
  readonly arrivedMs: number
  readonly chain: readonly string[]
  readonly http: ServerExchange
  readonly body: Buffer | undefined
  readonly node: string
  readonly #invocation: Invocation
  readonly #log: Logger
  readonly #forwarder: Forwarder

  constructor(
    components: {
      http: ServerExchange
      invocation: Invocation
      log: Logger
      forwarder: Forwarder
    },
    init: {
      node: string
      arrivedMs: number
      chain: readonly string[]
      body: Buffer | undefined
    },
  ) {
    this.http = components.http
    this.#invocation = components.invocation
    this.#log = components.log
    this.#forwarder = components.forwarder
    this.node = init.node
    this.arrivedMs = init.arrivedMs
    this.chain = init.chain
    this.body = init.body
  }

  get abandoned(): boolean {
    return this.http.over
  }

  /** What HTTP calls safe (RFC 9110, 9.2.1); others may change things in practice. */
  get isRead(): boolean {
    return this.#invocation.isRead
  }

  run(instance: Worker): unknown {
    return this.#invocation.run(instance)
  }

  fault(result: unknown): AriesError | undefined {
    return this.#invocation.fault(result)
  }

  succeed(result: unknown): void {
    // It was answered already when the commit took too long.
    if (this.http.answered) return
    if (result instanceof Reply) {
      sendReply(this.http, this.node, result.kept, result.replayed)
      return
    }
    const lean = leanParts(result as Response)
    if (lean) {
      sendLean(this.http, lean, this.node)
      return
    }
    sendResponse(this.http, result as Response, this.node).catch((error: unknown) => {
      this.#log.warn({ err: error, url: this.http.head.target }, 'response body failed')
      const message = 'the turn is committed, but the body of its response failed'
      if (this.http.answered) this.http.destroy()
      else this.fail(new AriesError('ARIES_E_WORKER_FAILED', message))
    })
  }

  fail(error: AriesError, headers?: Readonly<Record<string, string>>): void {
    sendError(this.http, this.node, error, headers)
  }

  overdue(error: AriesError): void {
    this.fail(error)
  }

  /**
   * A front or a caller, which both name the epoch that they know, asks the owner by itself: to send
   * it on would take its time from the other workers of both hosts. Of a body it may have kept
   * nothing.
   */
  moved(owner: OwnerAddress): void {
    if (this.body === undefined && this.http.head.fields.get(HEADER.epoch) !== undefined) {
      const error = new AriesError('ARIES_E_NOT_OWNER', `the worker moved to ${owner.node}`)
      this.fail(error, { [HEADER.owner]: formatOwner(owner) })
    } else void this.#forwarder.forward(this, owner)
  }
}
