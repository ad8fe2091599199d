import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { adminTokens, Tokens } from '../auth.ts'
import { AriesError, toAriesError } from '../errors.ts'
import type { RecordedRequests } from '../front/recorded-requests.ts'
import type { UpstreamStates } from '../front/upstream-states.ts'
import { formatWorkerId, parseWorkerId, type WorkerId } from '../identity.ts'
import { INPUT_TYPE, untilGone } from '../jobs/job-streams.ts'
import type { KeyRing } from '../key-ring.ts'
import { closeNow, listenOn } from '../listen.ts'
import type { Logger } from '../log.ts'
import { createServer } from '../node-http.ts'
import { parseJsonObject, readBody } from '../read-body.ts'
import { CONTAINS_MAX, WORKERS_LIMIT_MAX, type WorkersQuery } from '../rpc.ts'
import { CHECKPOINT_TYPE, HEADER } from '../wire.ts'
import { COMPARE, WORKER_ORDERS, type WorkerOrder } from '../worker-order.ts'
import type { AdminEndpoint, DeployBody, KeysBody, MoveBody, UpstreamBody } from './api.ts'
import type { ClusterView } from './cluster-view.ts'
import { answerJobs, isJobEndpoint } from './job-endpoints.ts'

/** The arguments of a job are the largest. */
const BODY_BYTES_MAX = 131_072
/** Workers in an answer when the caller does not say how many. */
const WORKERS_LIMIT = 1_000

interface Params {
  readonly file?: Readable
  readonly worker?: WorkerId
  readonly id?: string
  readonly body?: unknown
  readonly query: URLSearchParams
}
type Endpoint = {
  readonly status?: number
  readonly json?: unknown
  readonly text?: string
  readonly file?: { readonly type: string; readonly body: Readable }
}

/** What is sent as a file, and its content type; everything else is JSON. */
const FILES: Partial<Record<AdminEndpoint, string>> = {
  'POST /api/workers/{class}/{key}/recover': CHECKPOINT_TYPE,
  'POST /api/jobs/{id}/input': INPUT_TYPE,
}

/** Pattern of each endpoint: the captures are class and key, or the id of a node or job. */
const PATTERNS: readonly (readonly [AdminEndpoint, RegExp])[] = [
  ['GET /healthz', /^\/healthz$/],
  ['GET /readyz', /^\/readyz$/],
  ['GET /metrics', /^\/metrics$/],
  ['GET /api/cluster', /^\/api\/cluster$/],
  ['GET /api/status', /^\/api\/status$/],
  ['GET /api/workers', /^\/api\/workers$/],
  ['GET /api/workers/{class}/{key}', /^\/api\/workers\/([^/]+\/[^/]+)$/],
  ['POST /api/workers/{class}/{key}/move', /^\/api\/workers\/([^/]+\/[^/]+)\/move$/],
  ['POST /api/workers/{class}/{key}/freeze', /^\/api\/workers\/([^/]+\/[^/]+)\/freeze$/],
  ['POST /api/workers/{class}/{key}/thaw', /^\/api\/workers\/([^/]+\/[^/]+)\/thaw$/],
  ['GET /api/workers/{class}/{key}/checkpoint', /^\/api\/workers\/([^/]+\/[^/]+)\/checkpoint$/],
  ['POST /api/workers/{class}/{key}/recover', /^\/api\/workers\/([^/]+\/[^/]+)\/recover$/],
  ['GET /api/keys', /^\/api\/keys$/],
  ['POST /api/keys', /^\/api\/keys$/],
  ['GET /api/jobs', /^\/api\/jobs$/],
  ['POST /api/jobs', /^\/api\/jobs$/],
  ['GET /api/jobs/{id}', /^\/api\/jobs\/([^/]+)$/],
  ['POST /api/jobs/{id}/kill', /^\/api\/jobs\/([^/]+)\/kill$/],
  ['GET /api/jobs/{id}/output', /^\/api\/jobs\/([^/]+)\/output$/],
  ['POST /api/jobs/{id}/input', /^\/api\/jobs\/([^/]+)\/input$/],
  ['GET /api/upstreams', /^\/api\/upstreams$/],
  ['GET /api/requests', /^\/api\/requests$/],
  ['POST /api/upstreams/drain', /^\/api\/upstreams\/drain$/],
  ['POST /api/upstreams/undrain', /^\/api\/upstreams\/undrain$/],
  ['POST /api/nodes/{id}/drain', /^\/api\/nodes\/([^/]+)\/drain$/],
  ['POST /api/nodes/{id}/deploy', /^\/api\/nodes\/([^/]+)\/deploy$/],
  ['POST /api/nodes/{id}/restart', /^\/api\/nodes\/([^/]+)\/restart$/],
  ['POST /api/fronts/{id}/restart', /^\/api\/fronts\/([^/]+)\/restart$/],
  ['POST /api/nodes/{id}/undrain', /^\/api\/nodes\/([^/]+)\/undrain$/],
  ['POST /api/nodes/{id}/cordon', /^\/api\/nodes\/([^/]+)\/cordon$/],
]

export interface AdminComponents {
  readonly view: ClusterView
  readonly keys: KeyRing
  readonly metrics: () => Promise<string>
  readonly log: Logger
  /** Of a front. */
  readonly upstreams?: Pick<UpstreamStates, 'list' | 'drain' | 'undrain'>
  readonly requests?: Pick<RecordedRequests, 'list'>
  /** A front alone: has a new process take its place; resolves with the id of that. */
  readonly replace?: () => Promise<number>
}

/** The admin API of a front or node: see `api.ts` and docs/reference/http-api.md. */
export class AdminServer {
  readonly #view: ClusterView
  readonly #metrics: () => Promise<string>
  readonly #log: Logger
  readonly #keys: KeyRing
  readonly #upstreams: AdminComponents['upstreams']
  readonly #requests: AdminComponents['requests']
  readonly #replace: AdminComponents['replace']
  readonly #server: Server

  constructor(components: AdminComponents) {
    this.#view = components.view
    this.#keys = components.keys
    this.#replace = components.replace
    this.#metrics = components.metrics
    this.#log = components.log
    this.#upstreams = components.upstreams
    this.#requests = components.requests
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** Rejects with `ARIES_E_PORT_IN_USE`. */
  start(host: string, port: number): Promise<void> {
    return listenOn(this.#server, { host, port }, 'admin port')
  }

  stop(): Promise<void> {
    return closeNow(this.#server)
  }

  /** Like `stop`, but lets what is being answered be answered, for at most `graceMs`. */
  async finish(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(cut)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status = 200, json, text, file } = await this.#answer(request)
      if (file) {
        closeUnread(request, response)
        response.writeHead(status, { 'content-type': file.type, 'cache-control': 'no-store' })
        await untilGone(pipeline(file.body, response))
        return
      }
      const body = text ?? `${JSON.stringify(json)}\n`
      const type = text === undefined ? 'application/json' : 'text/plain; version=0.0.4'
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      response.end(body)
    } catch (thrown) {
      const error = toAriesError(thrown)
      if (error.code === 'ARIES_E_INTERNAL') this.#log.error({ err: thrown }, 'admin call failed')
      if (response.headersSent) return
      closeUnread(request, response)
      response.writeHead(error.status, { 'content-type': 'application/json' })
      response.end(`${JSON.stringify(error.toBody())}\n`)
    }
  }

  async #answer(request: IncomingMessage): Promise<Endpoint> {
    const [path = '/'] = (request.url ?? '/').split('?')
    const method = request.method === 'HEAD' ? 'GET' : request.method
    this.#refuseBrowsers(request)
    let methodsElsewhere = ''
    for (const [endpoint, pattern] of PATTERNS) {
      const match = pattern.exec(path)
      if (!match) continue
      if (!endpoint.startsWith(`${method} `)) {
        methodsElsewhere = endpoint.split(' ')[0]!
        continue
      }
      if (isJobEndpoint(endpoint)) this.#authorize(request)
      return this.#run(endpoint, await this.#params(endpoint, match, request))
    }
    throw methodsElsewhere === ''
      ? new AriesError('ARIES_E_NO_ENDPOINT', `the admin API has no ${path}`)
      : new AriesError('ARIES_E_METHOD_NOT_ALLOWED', `${path} takes ${methodsElsewhere}`)
  }

  /**
   * The API has no login and is for those on this machine. A web page that is open here is not one
   * of them: it shows an `Origin`, or, by a name that its owner points here (DNS rebinding), a
   * `Host` that is no address and not in the map.
   */
  #refuseBrowsers(request: IncomingMessage): void {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
    const known =
      isIP(host) !== 0 ||
      host === 'localhost' ||
      this.#view.cluster().members.some((member) => member.host === host)
    if (known && request.headers.origin === undefined) return
    throw new AriesError(
      'ARIES_E_UNAUTHORIZED',
      'the admin API answers to an address, localhost or a host of the map, and not to web pages',
    )
  }

  /** Who may run code, and see what it prints, must know the key of the cluster if it has one. */
  #authorize(request: IncomingMessage): void {
    const tokens = new Tokens(adminTokens(this.#keys.keys))
    if (tokens.accept(request.headers[HEADER.auth]?.toString())) return
    throw new AriesError(
      'ARIES_E_UNAUTHORIZED',
      'jobs are for those who have the key of the cluster: set ARIES_CLUSTER_KEY',
    )
  }

  #ofFront(): NonNullable<AdminComponents['upstreams']> {
    if (this.#upstreams !== undefined) return this.#upstreams
    throw new AriesError('ARIES_E_BAD_REQUEST', 'a node has no upstreams: ask a front')
  }

  #recorded(): NonNullable<AdminComponents['requests']> {
    if (this.#requests !== undefined) return this.#requests
    throw new AriesError('ARIES_E_BAD_REQUEST', 'a node writes no requests down: ask a front')
  }

  async #params(
    endpoint: AdminEndpoint,
    match: RegExpExecArray,
    request: IncomingMessage,
  ): Promise<Params> {
    const captured = match[1]
    const params = {
      ...(endpoint.includes('{class}') && captured ? { worker: parseWorkerId(captured) } : {}),
      ...(endpoint.includes('{id}') && captured ? { id: decode(captured) } : {}),
      query: new URLSearchParams(request.url?.split('?')[1]),
    }
    if (!endpoint.startsWith('POST')) return params
    // A page of another origin can send a form or plain text unasked, but not this type.
    const type = FILES[endpoint] ?? 'application/json'
    if (request.headers['content-type']?.split(';')[0]?.toLowerCase() !== type) {
      throw new AriesError('ARIES_E_BAD_REQUEST', `send it with content-type: ${type}`)
    }
    if (endpoint in FILES) return { ...params, file: request }
    const text = await readBody(request, BODY_BYTES_MAX)
    return { ...params, body: text === '' ? {} : parseJsonObject(text) }
  }

  async #run(
    endpoint: AdminEndpoint,
    { worker, id, body, file, query }: Params,
  ): Promise<Endpoint> {
    const view = this.#view
    if (isJobEndpoint(endpoint)) return answerJobs(view, endpoint, { id, body, file, query })
    switch (endpoint) {
      case 'GET /healthz':
        return { json: { status: 'ok' } }
      case 'GET /readyz': {
        const { ready, notes } = view.self
        return { status: ready ? 200 : 503, json: { ready, notes } }
      }
      case 'GET /metrics':
        return { text: await this.#metrics() }
      case 'GET /api/cluster':
        return { json: view.cluster() }
      case 'GET /api/status':
        return { json: await view.status() }
      case 'GET /api/workers':
        return { json: await view.workers(workersQuery(query)) }
      case 'GET /api/workers/{class}/{key}':
        return { json: await view.worker(worker!) }
      case 'POST /api/workers/{class}/{key}/move':
        return { json: await view.move(worker!, moveTarget(body)) }
      case 'POST /api/workers/{class}/{key}/freeze':
        return { json: await view.freeze(worker!, true) }
      case 'POST /api/workers/{class}/{key}/thaw':
        return { json: await view.freeze(worker!, false) }
      case 'GET /api/workers/{class}/{key}/checkpoint':
        return fileAnswer(await view.file(`/checkpoint/${formatWorkerId(worker!)}`))
      case 'POST /api/workers/{class}/{key}/recover': {
        const replace = query.get('replace') === 'true' ? '?replace=true' : ''
        return fileAnswer(await view.file(`/recover/${formatWorkerId(worker!)}${replace}`, file))
      }
      case 'GET /api/keys':
        return { json: this.#keys.info }
      case 'POST /api/keys':
        return { json: await this.#keys.order(sealedOf(body)) }
      case 'GET /api/upstreams':
        return { json: this.#ofFront().list() }
      case 'GET /api/requests':
        return { json: this.#recorded().list(query.get('id') ?? undefined) }
      case 'POST /api/upstreams/drain': {
        const { url, boundMs } = upstreamBody(body)
        return { json: this.#ofFront().drain(url, boundMs) }
      }
      case 'POST /api/upstreams/undrain':
        return { json: this.#ofFront().undrain(upstreamBody(body).url) }
      case 'POST /api/nodes/{id}/drain':
        return { json: await view.drain(id!) }
      case 'POST /api/nodes/{id}/deploy':
        return { json: await view.deploy(id!, generationOf(body)) }
      case 'POST /api/nodes/{id}/restart':
        return { json: await view.restart(id!) }
      case 'POST /api/fronts/{id}/restart':
        return { json: { pid: await this.#replaceFront(id!) } }
      case 'POST /api/nodes/{id}/undrain':
        return { json: await view.undrain(id!) }
      case 'POST /api/nodes/{id}/cordon':
        return { json: await view.cordon(id!) }
    }
  }

  #replaceFront(id: string): Promise<number> {
    if (this.#replace && id === this.#view.self.id) return this.#replace()
    throw new AriesError(
      'ARIES_E_BAD_REQUEST',
      `"${id}" is not the front that was asked: each takes this at its own admin port`,
    )
  }
}

/** Longest time that clients may stay with an upstream that drains: a week. */
const BOUND_MS_MAX = 604_800_000

function upstreamBody(body: unknown): Required<UpstreamBody> {
  const { url, boundMs = 0 } = body as Partial<UpstreamBody>
  if (typeof url !== 'string' || url === '') {
    throw new AriesError('ARIES_E_BAD_REQUEST', 'the body names an upstream: {"url":"http://…"}')
  }
  if (Number.isSafeInteger(boundMs) && boundMs >= 0 && boundMs <= BOUND_MS_MAX) {
    return { url, boundMs }
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', `boundMs is a number from 0 to ${BOUND_MS_MAX}`)
}

/** A body that was not read to its end would stand before the next request. */
function closeUnread(request: IncomingMessage, response: ServerResponse): void {
  if (!request.complete) response.setHeader('connection', 'close')
}

function fileAnswer({ status, type, body }: Awaited<ReturnType<ClusterView['file']>>): Endpoint {
  return { status, file: { type, body } }
}

function sealedOf(body: unknown): string {
  const { sealed } = body as Partial<KeysBody>
  if (typeof sealed === 'string') return sealed
  throw new AriesError('ARIES_E_BAD_REQUEST', 'the body holds a sealed order: {"sealed":"…"}')
}

function moveTarget(body: unknown): string {
  const to = (body as Partial<MoveBody>).to
  if (typeof to === 'string' && to !== '') return to
  throw new AriesError('ARIES_E_BAD_REQUEST', 'the body must name the target: {"to":"n3"}')
}

function generationOf(body: unknown): number {
  const { generation = 0 } = body as Partial<DeployBody>
  if (Number.isSafeInteger(generation) && generation >= 0) return generation
  throw new AriesError('ARIES_E_BAD_REQUEST', 'a generation is a whole number: {"generation":2}')
}

function workersQuery(query: URLSearchParams): WorkersQuery {
  const after = query.get('after')
  const order = query.get('order') ?? (after === null ? 'load' : 'name')
  const limit = Number(query.get('limit') ?? WORKERS_LIMIT)
  if (!Object.hasOwn(COMPARE, order) || (after !== null && order !== 'name')) {
    const orders = WORKER_ORDERS.join(', ')
    throw new AriesError('ARIES_E_BAD_REQUEST', `order is one of ${orders}; after goes by name`)
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > WORKERS_LIMIT_MAX) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `limit is a number from 1 to ${WORKERS_LIMIT_MAX}`)
  }
  const contains = query.get('contains')
  if (contains !== null && contains.length > CONTAINS_MAX) {
    throw new AriesError('ARIES_E_BAD_REQUEST', `contains has up to ${CONTAINS_MAX} letters`)
  }
  return {
    order: order as WorkerOrder,
    limit,
    ...(contains && { contains }),
    ...(after !== null && { after: parseWorkerId(after) }),
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new AriesError('ARIES_E_BAD_REQUEST', `"${text.slice(0, 80)}" is not percent-encoded`)
  }
}
