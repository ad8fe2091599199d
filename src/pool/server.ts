/** The HTTP server of the pool: takes a request for a task from a front, answers with its response. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Tokens } from '../auth.ts'
import { AriesError, toAriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { createServer } from '../node-http.ts'
import { formatLoad, HEADER, isInnerHeader } from '../wire.ts'
import type { TaskAnswer, TaskCall } from './exchange.ts'
import type { PoolSetup } from './ipc.ts'
import type { TaskRunner } from './runner.ts'

/** Longer than any front keeps an idle connection: the one who closes it must be the front. */
const KEEP_ALIVE_TIMEOUT_MS = 300_000
const HEAD_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 120_000
/** Above the largest head that a front may be told to take (`front.headBytesMax`), and its own part. */
const HEAD_BYTES_MAX = 1_114_112
const RETRY_AFTER_SECONDS = '1'
/** Methods that `Request` refuses. */
const NOT_FOR_TASKS = new Set(['CONNECT', 'TRACE', 'TRACK'])

export class TaskServer {
  connections = 0
  readonly #log: Logger
  readonly #runner: TaskRunner
  readonly #tokens: Tokens
  readonly #setup: PoolSetup
  #tasks: ReadonlyMap<string, string>
  readonly #server: Server
  #draining = false

  constructor(components: { log: Logger; runner: TaskRunner; tokens: Tokens }, setup: PoolSetup) {
    this.#tokens = components.tokens
    this.#log = components.log
    this.#runner = components.runner
    this.#setup = setup
    this.#tasks = new Map(setup.tasks)
    this.#server = createServer(
      {
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        headersTimeout: HEAD_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        maxHeaderSize: HEAD_BYTES_MAX,
      },
      (request, response) => void this.#serve(request, response),
    )
    this.#server.on('connection', (socket) => {
      this.connections++
      socket.once('close', () => this.connections--)
      socket.setNoDelay(true)
    })
  }

  /** The modules of the tasks. */
  get files(): string[] {
    return [...this.#tasks.values()]
  }

  /** Takes another set of tasks: name and file of each. */
  declare(tasks: PoolSetup['tasks']): void {
    this.#tasks = new Map(tasks)
  }

  /** Listens; the port it got. */
  async start(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: this.#setup.bind, port: 0 }, resolve)
    })
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Takes no new connection; resolves when the last request is answered. */
  async stop(): Promise<void> {
    this.#draining = true
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const call = await this.#accept(request)
      if (call === undefined || response.destroyed) return
      const run = this.#runner.submit(call)
      response.once('close', () => this.#runner.forsake(run))
      const answer = await run.result
      if (!response.destroyed) this.#answer(response, answer)
    } catch (thrown) {
      this.#refuse(response, toAriesError(thrown))
    }
  }

  /** The call that the request makes; undefined when its client went away. */
  async #accept(request: IncomingMessage): Promise<TaskCall | undefined> {
    const { headers, url = '/', method = 'GET' } = request
    if (!this.#tokens.accept(one(headers[HEADER.auth]))) {
      throw new AriesError('ARIES_E_UNAUTHORIZED', 'the caller did not show the cluster key')
    }
    const task = one(headers[HEADER.task]) ?? ''
    const file = this.#tasks.get(task)
    if (file === undefined) {
      throw new AriesError('ARIES_E_NO_ROUTE', `node ${this.#setup.node} has no task "${task}"`)
    }
    if (NOT_FOR_TASKS.has(method) || !url.startsWith('/')) {
      throw new AriesError('ARIES_E_BAD_REQUEST', `a task does not take ${method} ${url}`)
    }
    const bytesMax = this.#setup.limits.bodyBytesMax
    const body = await readBytes(request, bytesMax)
    if (body === 'gone') return undefined
    return {
      task,
      file,
      node: this.#setup.node,
      method,
      url: absoluteUrl(url, headers.host, one(headers['x-forwarded-proto'])),
      headers: outerHeaders(request.rawHeaders),
      body: method === 'GET' || method === 'HEAD' ? undefined : body,
      replyBytesMax: bytesMax,
    }
  }

  #answer(response: ServerResponse, answer: TaskAnswer): void {
    const head: string[] = []
    for (const [name, value] of answer.headers) head.push(name, value)
    head.push(HEADER.node, this.#setup.node, HEADER.load, formatLoad(this.#runner.load))
    if (this.#draining) head.push('connection', 'close')
    if (answer.status >= 200 && answer.status !== 204 && answer.status !== 304) {
      head.push('content-length', String(answer.body?.byteLength ?? 0))
    }
    response.writeHead(answer.status, head)
    response.end(answer.body)
  }

  #refuse(response: ServerResponse, error: AriesError): void {
    if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: error }, 'request failed')
    if (response.destroyed || response.headersSent) {
      response.destroy()
      return
    }
    const body = JSON.stringify(error.toBody())
    const head = [
      'content-type',
      'application/json',
      'content-length',
      `${Buffer.byteLength(body)}`,
    ]
    head.push(HEADER.node, this.#setup.node, HEADER.fault, error.code)
    head.push(HEADER.load, formatLoad(this.#runner.load))
    if (error.status === 503) head.push('retry-after', RETRY_AFTER_SECONDS)
    // What is left of a body that was refused is not read: the connection is of no more use.
    const spoilt = error.code === 'ARIES_E_BODY_TOO_LARGE'
    if (this.#draining || spoilt) head.push('connection', 'close')
    response.writeHead(error.status, head)
    response.end(body)
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** A task sees the address that the client asked for; a host that is none becomes `localhost`. */
function absoluteUrl(url: string, host: string | undefined, protocol: string | undefined): string {
  const origin = `${protocol === 'https' ? 'https' : 'http'}://${host ?? 'localhost'}`
  return URL.canParse(origin) && URL.canParse(origin + url)
    ? origin + url
    : `http://localhost${url}`
}

function outerHeaders(raw: readonly string[]): [string, string][] {
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (!isInnerHeader(name)) headers.push([name, raw[i + 1]!])
  }
  return headers
}

/** The whole body, undefined when there is none, `gone` when the client left in the middle. */
async function readBytes(
  request: IncomingMessage,
  bytesMax: number,
): Promise<Uint8Array | undefined | 'gone'> {
  const { headers } = request
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
    return undefined
  }
  const tooLarge = new AriesError(
    'ARIES_E_BODY_TOO_LARGE',
    `the request body is larger than pool.bodyBytesMax (${bytesMax} bytes)`,
  )
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw tooLarge
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | 'gone'>()
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= bytesMax) {
      chunks.push(chunk)
      return
    }
    request.pause()
    reject(tooLarge)
  })
  request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)))
  request.on('close', () => resolve('gone'))
  request.on('error', () => resolve('gone'))
  return promise
}
