import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { AdminApi, AdminEndpoint, ReadyInfo } from '../admin/api.ts'
import { adminTokens } from '../auth.ts'
import { AriesError, fromBody } from '../errors.ts'
import { INPUT_TYPE } from '../jobs/job-streams.ts'
import { Agent } from '../undici.ts'
import { CHECKPOINT_TYPE, HEADER } from '../wire.ts'

const CONNECT_TIMEOUT_MS = 2_000
const READ_TIMEOUT_MS = 15_000
/** A cluster of a million workers still fits; a stranger at that port cannot fill the memory. */
const ANSWER_BYTES_MAX = 512 * 1024 * 1024

type Reads = Extract<AdminEndpoint, `GET /api/${string}`>
type Changes = Extract<AdminEndpoint, `POST ${string}`>

export interface ChangeOptions {
  readonly body?: unknown
  /** From the request to the answer's head; absent: as long as it takes. */
  readonly timeoutMs?: number
}

/** Asks one front or node through its admin API. Throws what it answers, or `ARIES_E_ADMIN_UNREACHABLE`. */
export class AdminClient {
  readonly #address: string
  readonly #token: string
  readonly #agent: Agent

  /** `address`: host:port. `key`: of the cluster, for jobs; empty: none. */
  constructor(address: string, key = '') {
    this.#address = address
    this.#token = key === '' ? '' : adminTokens([key])[0]!
    this.#agent = new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS },
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: READ_TIMEOUT_MS,
      maxResponseSize: ANSWER_BYTES_MAX,
    })
  }

  async get<E extends Reads>(
    endpoint: E,
    names: Names = {},
    query: Names = {},
  ): Promise<AdminApi[E]> {
    const asked = new URLSearchParams(query).toString()
    const path = pathOf(endpoint, names) + (asked === '' ? '' : `?${asked}`)
    const answer = await this.#call('GET', path, { timeoutMs: READ_TIMEOUT_MS })
    return this.#take(answer) as AdminApi[E]
  }

  async post<E extends Changes>(
    endpoint: E,
    names: Names,
    options: ChangeOptions = {},
  ): Promise<AdminApi[E]> {
    return this.#take(await this.#call('POST', pathOf(endpoint, names), options)) as AdminApi[E]
  }

  /** A file. */
  download<E extends Reads>(endpoint: E, names: Names): Promise<Readable> {
    return this.#stream(pathOf(endpoint, names), {})
  }

  /** What may come slowly. */
  stream<E extends Reads>(endpoint: E, names: Names, query: Names): Promise<Readable> {
    const path = `${pathOf(endpoint, names)}?${new URLSearchParams(query)}`
    return this.#stream(path, { bodyTimeout: 0 })
  }

  async #stream(path: string, limits: { readonly bodyTimeout?: number }): Promise<Readable> {
    const { statusCode, body } = await this.#send({ method: 'GET', path, ...limits })
    if (statusCode === 200) return body
    return this.#take({ status: statusCode, value: parseJson(await body.text()) }) as never
  }

  /** Sends a file. */
  async upload<E extends Changes>(
    endpoint: E,
    names: Names,
    file: Buffer,
    query: Names,
  ): Promise<AdminApi[E]> {
    const path = `${pathOf(endpoint, names)}?${new URLSearchParams(query)}`
    const headers = { 'content-type': CHECKPOINT_TYPE }
    const { statusCode, body } = await this.#send({ method: 'POST', path, headers, body: file })
    const value = parseJson(await body.text())
    return this.#take({ status: statusCode, value }) as AdminApi[E]
  }

  /** Sends what comes as it comes. */
  async send<E extends Changes>(endpoint: E, names: Names, input: Readable): Promise<AdminApi[E]> {
    const headers = { 'content-type': INPUT_TYPE }
    const path = pathOf(endpoint, names)
    const request = { method: 'POST', path, headers, body: input, bodyTimeout: 0 } as const
    const { statusCode, body } = await this.#send(request)
    return this.#take({ status: statusCode, value: parseJson(await body.text()) }) as AdminApi[E]
  }

  /** What it says of its readiness; undefined when nobody answers. */
  async ready(timeoutMs: number): Promise<ReadyInfo | undefined> {
    try {
      const { value } = await this.#call('GET', '/readyz', { timeoutMs })
      return typeof (value as ReadyInfo | null)?.ready === 'boolean'
        ? (value as ReadyInfo)
        : undefined
    } catch {
      return undefined
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #call(method: 'GET' | 'POST', path: string, options: ChangeOptions): Promise<Answer> {
    const { body, timeoutMs } = options
    const response = await this.#send({
      path,
      method,
      headers: method === 'POST' ? { 'content-type': 'application/json' } : {},
      body: method === 'POST' ? JSON.stringify(body ?? {}) : null,
      signal: timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs),
    })
    const text = await response.body.text().catch((error: Error) => this.#unreachable(error))
    return { status: response.statusCode, value: parseJson(text) }
  }

  async #send(
    request: Omit<Dispatcher.RequestOptions, 'origin'>,
  ): Promise<Dispatcher.ResponseData> {
    try {
      const headers = {
        ...(request.headers as Record<string, string> | undefined),
        ...(this.#token !== '' && { [HEADER.auth]: this.#token }),
      }
      return await this.#agent.request({ origin: `http://${this.#address}`, ...request, headers })
    } catch (error) {
      return this.#unreachable(error as Error)
    }
  }

  #unreachable(error: Error): never {
    const why = reasonOf(error)
    const message = `no front or node answers at ${this.#address}: ${why}`
    throw new AriesError('ARIES_E_ADMIN_UNREACHABLE', message, { cause: error })
  }

  #take({ status, value }: Answer): unknown {
    if (status >= 200 && status < 300 && value !== undefined) return value
    throw (
      fromBody(value) ??
      new AriesError(
        'ARIES_E_ADMIN_UNREACHABLE',
        `what answers at ${this.#address} is not the admin API of Aries (status ${status})`,
      )
    )
  }
}

type Names = Readonly<Record<string, string>>

interface Answer {
  readonly status: number
  readonly value: unknown
}

/** Runs `ask` with a client and closes it, whatever happens. */
export async function withClient<T>(
  options: { readonly admin: string },
  ask: (client: AdminClient) => Promise<T>,
): Promise<T> {
  const client = new AdminClient(options.admin, process.env['ARIES_CLUSTER_KEY'])
  try {
    return await ask(client)
  } finally {
    await client.close()
  }
}

function pathOf(endpoint: AdminEndpoint, names: Names): string {
  const path = endpoint.slice(endpoint.indexOf(' ') + 1)
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no machine of that name',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.name === 'TimeoutError') return 'it did not answer in time'
  return REASONS[error.code ?? ''] ?? error.message
}
