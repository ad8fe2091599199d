import pg from 'pg'
import type { PostgresOptions } from './url.ts'

/** Notified, with the node's id, when an incarnation was ended. */
export const CHANNEL = 'aries_nodes'
const CONNECT_TIMEOUT_MS = 2_000
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2_000

const EVICTED = "SELECT FROM aries_nodes WHERE id = $1 AND status = 'evicted'"

/** `Store.watch` on a connection of its own: it listens, and connects anew when it is lost. */
export class NodeWatch {
  readonly #options: PostgresOptions
  readonly #node: string
  readonly #onEvicted: () => void
  #client: pg.Client | undefined
  #timer: NodeJS.Timeout | undefined
  #retryMs = RETRY_MS_MIN
  #stopped = false

  constructor(init: { options: PostgresOptions; node: string; onEvicted: () => void }) {
    this.#options = init.options
    this.#node = init.node
    this.#onEvicted = init.onEvicted
    void this.#connect()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#client?.end().catch(() => undefined)
  }

  async #connect(): Promise<void> {
    const { url, ssl } = this.#options
    const client = new pg.Client({
      connectionString: url,
      ssl,
      application_name: 'aries-watch',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    })
    this.#client = client
    client.on('notification', ({ payload }) => {
      if (payload === this.#node && !this.#stopped) this.#onEvicted()
    })
    client.on('error', () => undefined)
    client.once('end', () => this.#again())
    try {
      await client.connect()
      await client.query(`LISTEN ${CHANNEL}`)
      this.#retryMs = RETRY_MS_MIN
      // What was told while nobody listened.
      const { rowCount } = await client.query({ text: EVICTED, values: [this.#node] })
      if (rowCount && !this.#stopped) this.#onEvicted()
    } catch {
      await client.end().catch(() => undefined)
      this.#again()
    }
  }

  #again(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
  }
}
