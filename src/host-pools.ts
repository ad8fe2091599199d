/** Connections to hosts, kept: for requests that are sent on, and for calls. */
import { untilAborted } from './abort.ts'
import { formatAddress } from './config/address.ts'
import { Pool } from './undici.ts'
import type { OwnerAddress } from './wire.ts'

/** Connections to one host; more requests than that wait in order. */
const CONNECTIONS_MAX = 256
/** Hosts that connections are kept to. */
const POOLS_MAX = 64
const CONNECT_TIMEOUT_MS = 1_000
/**
 * How long a request that is not safe to repeat still waits for its answer when gossip has found
 * the node dead: gossip may be wrong.
 */
const DEAD_GRACE_MS = 2_000

/** A request to a host, as far as the death of its node matters. */
export interface Sent {
  readonly owner: Pick<OwnerAddress, 'node' | 'host' | 'port'>
  /** It may be sent again when it is not known whether it was applied. */
  readonly repeatable: boolean
  readonly signal: AbortSignal
}

/** Nothing was sent: the node was known to be dead. */
class NodeDead extends Error {}

export class HostPools {
  readonly #pools = new Map<string, Pool>()

  readonly #dead = new Set<string>()
  readonly #sent = new Map<Sent, AbortController>()

  /**
   * Sends a request. TCP may not know for a long time that a machine is cut off, so it ends when
   * gossip finds the node dead: at once if it is repeatable, else after a while.
   */
  async send<T>(sent: Sent, request: (pool: Pool, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { owner, signal } = sent
    if (this.#dead.has(owner.node)) throw new NodeDead(`node ${owner.node} is dead`)
    const verdict = new AbortController()
    this.#sent.set(sent, verdict)
    const either = AbortSignal.any([signal, verdict.signal])
    try {
      return await untilAborted(request(this.#to(owner), either), either)
    } finally {
      this.#sent.delete(sent)
    }
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    if (!dead) {
      this.#dead.delete(node)
      return
    }
    this.#dead.add(node)
    for (const [{ owner, repeatable }, verdict] of this.#sent) {
      if (owner.node !== node) continue
      if (repeatable) verdict.abort()
      else setTimeout(() => verdict.abort(), DEAD_GRACE_MS).unref()
    }
  }

  #to({ host, port }: Sent['owner']): Pool {
    const origin = `http://${formatAddress(host, port)}`
    let pool = this.#pools.get(origin)
    if (!pool) {
      pool = new Pool(origin, {
        connections: CONNECTIONS_MAX,
        pipelining: 1,
        connectTimeout: CONNECT_TIMEOUT_MS,
        // Whoever asks knows how long it may take.
        headersTimeout: 0,
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

  /** Ends every connection, with what is in flight on it. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
    this.#pools.clear()
  }
}

/** Whether the error of a request proves that nothing of it was sent. */
export function isUnsent(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return error instanceof NodeDead || code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
