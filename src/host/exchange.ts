import type { IncomingMessage, ServerResponse } from 'node:http'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { isInnerHeader, type OwnerAddress } from '../wire.ts'
import type { Worker } from '../worker/worker.ts'
import type { Forwarder } from './forwarder.ts'
import type { Mail } from './mailbox.ts'
import { sendError, sendResponse } from './response.ts'

/** One request to a worker, its body read, and the way to answer it. */
export class Exchange implements Mail {
  readonly arrivedMs: number
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly body: Buffer | undefined
  readonly node: string
  readonly #log: Logger
  readonly #forwarder: Forwarder

  constructor(
    components: {
      req: IncomingMessage
      res: ServerResponse
      log: Logger
      forwarder: Forwarder
    },
    init: { node: string; arrivedMs: number; body: Buffer | undefined },
  ) {
    this.req = components.req
    this.res = components.res
    this.#log = components.log
    this.#forwarder = components.forwarder
    this.node = init.node
    this.arrivedMs = init.arrivedMs
    this.body = init.body
  }

  get abandoned(): boolean {
    return this.res.destroyed
  }

  /** What HTTP calls safe (RFC 9110, 9.2.1); others may change things in practice. */
  get isRead(): boolean {
    return this.req.method === 'GET' || this.req.method === 'HEAD'
  }

  run(instance: Worker): unknown {
    return instance.fetch(this.#request())
  }

  fault(result: unknown): AriesError | undefined {
    if (result instanceof Response) return undefined
    return new AriesError('ARIES_E_WORKER_FAILED', 'fetch did not return a Response')
  }

  succeed(result: unknown): void {
    // It was answered already when the commit took too long.
    if (this.res.headersSent) return
    sendResponse(this.res, result as Response, this.node).catch((error: unknown) => {
      this.#log.warn({ err: error, url: this.req.url }, 'response body failed')
      const message = 'the turn is committed, but the body of its response failed'
      if (this.res.headersSent) this.res.destroy()
      else this.fail(new AriesError('ARIES_E_WORKER_FAILED', message))
    })
  }

  fail(error: AriesError, headers?: Readonly<Record<string, string>>): void {
    sendError(this.res, this.node, error, headers)
  }

  overdue(error: AriesError): void {
    this.fail(error)
  }

  moved(owner: OwnerAddress): void {
    void this.#forwarder.forward(this, owner)
  }

  #request(): Request {
    const { method, url, rawHeaders } = this.req
    const headers: [string, string][] = []
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!
      if (!isInnerHeader(name.toLowerCase())) headers.push([name, rawHeaders[i + 1]!])
    }
    const init: RequestInit = { method: method!, headers }
    // `Request` throws for a body where HTTP gives it no meaning.
    const mayHaveBody = method !== 'GET' && method !== 'HEAD'
    if (this.body && mayHaveBody) init.body = this.body as Uint8Array<ArrayBuffer>
    try {
      return new Request(`http://${this.req.headers.host ?? 'localhost'}${url}`, init)
    } catch (error) {
      throw new AriesError('ARIES_E_BAD_REQUEST', `no request for a worker: ${String(error)}`)
    }
  }
}
