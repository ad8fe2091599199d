/** Connections to hosts, kept: for requests that are sent on, and for calls. */
import { Pool } from 'undici'
import { formatAddress } from './config/address.ts'

/** Connections to one host; more requests than that wait in order. */
const CONNECTIONS_MAX = 256
/** Hosts that connections are kept to. */
const POOLS_MAX = 64
const CONNECT_TIMEOUT_MS = 1_000

export class HostPools {
  readonly #pools = new Map<string, Pool>()

  to({ host, port }: { readonly host: string; readonly port: number }): Pool {
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
  return code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
