/** Sends requests on to the host that their worker has moved to. */
import { AriesError } from '../errors.ts'
import { HostPools, isUnsent } from '../host-pools.ts'
import type { Logger } from '../log.ts'
import { formatOwner, HEADER, HOP_BY_HOP, type OwnerAddress, SAFE_TO_REPEAT } from '../wire.ts'
import type { Exchange } from './exchange.ts'
import { ForwardedAnswer } from './forwarded-answer.ts'

export class Forwarder {
  readonly #log: Logger
  readonly #turnMs: () => number
  readonly #pools = new HostPools()
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

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.#pools.setDead(node, dead)
  }

  close(): Promise<void> {
    return this.#pools.close()
  }

  async #stream(exchange: Exchange, owner: OwnerAddress): Promise<void> {
    const { http, body } = exchange
    const { head } = http
    if (http.over) return
    const abort = new AbortController()
    http.onGone = () => abort.abort()
    await this.#pools.send(
      { owner, repeatable: isRepeatable(exchange), signal: abort.signal },
      (pool, signal) =>
        pool.stream(
          {
            path: head.target,
            method: head.method as 'GET',
            headers: forwardedHeaders(head.fields.flat(), owner),
            body: body ?? null,
            headersTimeout: this.#turnMs() * 2,
            signal,
            responseHeaders: 'raw',
          },
          ({ statusCode, headers }) => {
            const raw = headers as unknown as Buffer[] | string[]
            const { lines, length } = answeredHead(raw, owner)
            http.begin(statusCode, lines, length)
            return new ForwardedAnswer(http)
          },
        ),
    )
  }

  #failed(exchange: Exchange, owner: OwnerAddress, error: unknown): void {
    const { http } = exchange
    if (http.answered || http.over) {
      if (!http.over) http.destroy()
      return
    }
    this.#log.warn({ err: error, to: formatOwner(owner) }, 'request not forwarded')
    if (isUnsent(error) || isRepeatable(exchange)) {
      exchange.fail(new AriesError('ARIES_E_NOT_OWNER', `the worker moved to ${owner.node}`))
    } else {
      const message = `${owner.node} failed after the request was forwarded to it`
      exchange.fail(new AriesError('ARIES_E_OUTCOME_UNKNOWN', message))
    }
  }
}

function isRepeatable({ http: { head } }: Exchange): boolean {
  return SAFE_TO_REPEAT.has(head.method) || head.fields.get('idempotency-key') !== undefined
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

function answeredHead(
  raw: readonly (Buffer | string)[],
  owner: OwnerAddress,
): { lines: string; length: number | undefined } {
  let lines = ''
  let length: number | undefined
  let hasOwner = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toString().toLowerCase()
    if (HOP_BY_HOP.has(name)) continue
    const value = raw[i + 1]!.toString('latin1')
    if (name === HEADER.owner) hasOwner = true
    if (name === 'content-length') length = Number(value)
    else lines += `${name}: ${value}\r\n`
  }
  if (!hasOwner) lines += `${HEADER.owner}: ${formatOwner(owner)}\r\n`
  return { lines, length }
}
