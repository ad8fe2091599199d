import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Tokens } from '../auth.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { parseWorkerId, type WorkerId } from '../identity.ts'
import { serveJobStream } from '../jobs/job-streams.ts'
import type { Jobs } from '../jobs/jobs.ts'
import { closeNow, listenOn } from '../listen.ts'
import type { Logger } from '../log.ts'
import { createServer } from '../node-http.ts'
import { answerLine, OWNERS_PATH, OWNERS_TYPE, questionsIn } from '../owner-questions.ts'
import { parseJsonObject, readBody, readBytes } from '../read-body.ts'
import type { RecoverReport, Rpc, RpcName } from '../rpc.ts'
import { CHECKPOINT_BYTES_MAX } from '../store/checkpoint.ts'
import { CHECKPOINT_TYPE, HEADER } from '../wire.ts'

const BODY_BYTES_MAX = 1024 * 1024
const FILE = /^\/(checkpoint|recover)\/([^/?]+\/[^/?]+)(\?replace=true)?$/

export type RpcHandlers = {
  readonly [N in RpcName]: (params: Rpc[N]['params']) => Promise<Rpc[N]['result']>
}

/** What is too large for a call: `GET /checkpoint/<class>/<key>`, `POST /recover/<class>/<key>`. */
export interface RpcFiles {
  readonly checkpoint: (id: WorkerId) => Promise<Iterable<Uint8Array>>
  readonly recover: (id: WorkerId, file: Buffer, replace: boolean) => Promise<RecoverReport>
}

/** The data port: `POST /rpc/<name>`, questions of fronts and files, for callers who show the cluster's token. */
export class RpcServer {
  readonly #handlers: RpcHandlers
  readonly #files: RpcFiles
  readonly #jobs: Jobs
  readonly #log: Logger
  readonly #tokens: Tokens
  readonly #server: Server

  constructor(
    components: { handlers: RpcHandlers; files: RpcFiles; jobs: Jobs; log: Logger },
    init: { tokens: Tokens },
  ) {
    this.#handlers = components.handlers
    this.#files = components.files
    this.#jobs = components.jobs
    this.#log = components.log
    this.#tokens = init.tokens
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
      this.#authorize(request)
      const file = FILE.exec(request.url ?? '')
      if (file) await this.#file(file, request, response)
      else if (request.url === OWNERS_PATH) await this.#owners(request, response)
      else if (!(await serveJobStream(this.#jobs, request, response))) {
        send(response, 200, await this.#answer(request))
      }
    } catch (thrown) {
      const error = this.#failure(thrown)
      send(response, error.status, error.toBody())
    }
  }

  #failure(thrown: unknown): AriesError {
    const error = toAriesError(thrown)
    if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: thrown }, 'call failed')
    return error
  }

  #authorize(request: IncomingMessage): void {
    if (this.#tokens.accept(request.headers[HEADER.auth]?.toString())) return
    throw new AriesError('ARIES_E_UNAUTHORIZED', 'the caller did not show the cluster key')
  }

  async #file(
    [, name, worker, replace]: RegExpExecArray,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const id = parseWorkerId(worker!)
    if (name === 'checkpoint') {
      const pieces = await this.#files.checkpoint(id)
      response.writeHead(200, { 'content-type': CHECKPOINT_TYPE })
      // Who reads a file that broke off finds that its digest is missing.
      await pipeline(Readable.from(pieces), response)
      return
    }
    const file = await readBytes(request, CHECKPOINT_BYTES_MAX)
    send(response, 200, await this.#files.recover(id, file, replace !== undefined))
  }

  /** What is answered in one turn of the event loop leaves together. */
  async #owners(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const questions = questionsIn(parseJsonObject(await readBody(request, BODY_BYTES_MAX)))
    let left = questions.length
    let lines = ''
    const flush = (): void => {
      if (!response.destroyed) response.write(lines)
      lines = ''
      if (left === 0) response.end()
    }
    response.writeHead(200, { 'content-type': OWNERS_TYPE })
    for (const [n, question] of questions.entries()) {
      void this.#handlers
        .resolve(question)
        .catch((thrown: unknown) => this.#failure(thrown).toBody())
        .then((answer) => {
          left--
          if (lines === '') setImmediate(flush)
          lines += answerLine(n, answer)
        })
    }
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
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
