import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tokensEqual } from '../auth.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { closeNow, listenOn } from '../listen.ts'
import type { Logger } from '../log.ts'
import { parseJsonObject, readBody } from '../read-body.ts'
import type { Rpc, RpcName } from '../rpc.ts'
import { HEADER } from '../wire.ts'

const BODY_BYTES_MAX = 1024 * 1024

export type RpcHandlers = {
  readonly [N in RpcName]: (params: Rpc[N]['params']) => Promise<Rpc[N]['result']>
}

/** The data port: `POST /rpc/<name>`, for callers who show the cluster's token. */
export class RpcServer {
  readonly #handlers: RpcHandlers
  readonly #log: Logger
  readonly #token: string
  readonly #server: Server

  constructor(components: { handlers: RpcHandlers; log: Logger }, init: { token: string }) {
    this.#handlers = components.handlers
    this.#log = components.log
    this.#token = init.token
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      void this.#serve(request, response)
    })
  }

  /** Rejects with `ARIES_E_PORT_IN_USE`. */
  start(host: string, port: number): Promise<void> {
    return listenOn(this.#server, { host, port }, 'data port')
  }

  stop(): Promise<void> {
    return closeNow(this.#server)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const result = await this.#answer(request)
      send(response, 200, result)
    } catch (thrown) {
      const error = toAriesError(thrown)
      if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: thrown }, 'call failed')
      send(response, error.status, error.toBody())
    }
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    if (!tokensEqual(request.headers[HEADER.auth]?.toString(), this.#token)) {
      throw new AriesError('ARIES_E_UNAUTHORIZED', 'the caller did not show the cluster key')
    }
    const name = /^\/rpc\/([a-z]+)$/.exec(request.url ?? '')?.[1]
    if (request.method !== 'POST' || !name || !Object.hasOwn(this.#handlers, name)) {
      throw new AriesError(
        'ARIES_E_NO_ENDPOINT',
        `there is no call ${request.method} ${request.url}`,
      )
    }
    const params = parseJsonObject(await readBody(request, BODY_BYTES_MAX))
    const handler = this.#handlers[name as RpcName] as (params: unknown) => Promise<unknown>
    return handler(params)
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}
