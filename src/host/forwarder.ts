/** Sends requests on to the host that their worker has moved to. */
import { Pool } from 'undici'
import { formatAddress } from '../config/address.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { formatOwner, HEADER, HOP_BY_HOP, type OwnerAddress } from '../wire.ts'
import type { Exchange } from './exchange.ts'

/** Connections to one other host; more requests than that wait in order. */
const CONNECTIONS_MAX = 256
/** Hosts that connections are kept to. */
const POOLS_MAX = 64
/** What may be sent again without harm (RFC 9110, 9.2.2). */
const REPEATABLE: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
])

export class Forwarder {
  readonly #log: Logger
  readonly #turnMs: () => number
  readonly #pools = new Map<string, Pool>()
  #inFlight = 0

  /** `turnMs`: the longest that a turn may take, anywhere. */
  constructor(components: { log: Logger }, init: { turnMs: () => number }) {
    this.#log = components.log
    this.#turnMs = init.turnMs
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Begins at once, so that requests leave in the order of the calls. The answer goes to whoever
   * waits, with `aries-owner` so that the next one goes there directly.
   */
  async forward(exchange: Exchange, owner: OwnerAddress): Promise<void> {
    this.#inFlight++
    try {
      await this.#stream(exchange, owner)
    } catch (error) {
      this.#failed(exchange, owner, error)
    } finally {
      this.#inFlight--
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
    this.#pools.clear()
  }

  async #stream({ req, res, body }: Exchange, owner: OwnerAddress): Promise<void> {
    const abort = new AbortController()
    const gone = (): void => abort.abort()
    res.once('close', gone)
    try {
      await this.#pool(owner).stream(
        {
          path: req.url!,
          method: req.method! as 'GET',
          headers: forwardedHeaders(req.rawHeaders, owner),
          body: body ?? null,
          headersTimeout: this.#turnMs() * 2,
          signal: abort.signal,
          responseHeaders: 'raw',
        },
        ({ statusCode, headers }) => {
          const raw = headers as unknown as Buffer[] | string[]
          res.writeHead(statusCode, answeredHeaders(raw, owner))
          return res
        },
      )
    } finally {
      res.off('close', gone)
    }
  }

  #failed(exchange: Exchange, owner: OwnerAddress, error: unknown): void {
    const { req, res } = exchange
    if (res.headersSent || res.destroyed) {
      res.destroy()
      return
    }
    this.#log.warn({ err: error, to: formatOwner(owner) }, 'request not forwarded')
    const code = (error as { code?: string }).code
    const unsent = code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
    const isKeyed = req.headers['idempotency-key'] !== undefined
    if (unsent || isKeyed || REPEATABLE.has(req.method!)) {
      exchange.fail(new AriesError('ARIES_E_NOT_OWNER', `the worker moved to ${owner.node}`))
    } else {
      const message = `${owner.node} failed after the request was forwarded to it`
      exchange.fail(new AriesError('ARIES_E_OUTCOME_UNKNOWN', message))
    }
  }

  #pool(owner: OwnerAddress): Pool {
    const origin = `http://${formatAddress(owner.host, owner.port)}`
    let pool = this.#pools.get(origin)
    if (!pool) {
      pool = new Pool(origin, {
        connections: CONNECTIONS_MAX,
        pipelining: 1,
        connectTimeout: 1_000,
        bodyTimeout: 0,
      })
      this.#pools.set(origin, pool)
      for (const [oldest, unused] of this.#pools) {
        if (this.#pools.size <= POOLS_MAX) break
        this.#pools.delete(oldest)
        unused.close().catch(() => undefined)
      }
    }
    return pool
  }
}

function forwardedHeaders(raw: readonly string[], owner: OwnerAddress): string[] {
  const headers: string[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (HOP_BY_HOP.has(name) || name === 'content-length' || name === HEADER.epoch) continue
    if (name === 'expect') continue
    headers.push(raw[i]!, raw[i + 1]!)
  }
  // A host hands a request on only to a newer epoch than it names: two hosts cannot play ball.
  headers.push(HEADER.epoch, String(owner.epoch))
  return headers
}

function answeredHeaders(raw: readonly (Buffer | string)[], owner: OwnerAddress): string[] {
  const headers: string[] = []
  let hasOwner = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toString().toLowerCase()
    if (HOP_BY_HOP.has(name)) continue
    if (name === HEADER.owner) hasOwner = true
    headers.push(name, raw[i + 1]!.toString('latin1'))
  }
  if (!hasOwner) headers.push(HEADER.owner, formatOwner(owner))
  return headers
}
