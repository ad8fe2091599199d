import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { AriesError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { CONNECTIONS_KEPT, type PostgresOptions } from './url.ts'

const CONNECT_TIMEOUT_MS = 2_000
/** A server that has not given up a statement itself so long after its time does not answer. */
const SILENCE_MS = 2_000
/** How long calls wait for a server that went away; after that each is tried once and fails. */
const PATIENCE_MS = 5_000
const BACKOFF_MIN_MS = 20
const BACKOFF_MAX_MS = 500

const BIGINT_OID = 20

/** A statement; a named one is parsed and planned once per connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
}

/**
 * Of the statements over arrays a plan is made once and for any number of items: to plan one costs
 * as much as 50 items do. The plan is made when the tables are empty, and a plan for an empty table
 * reads it whole; told not to, it looks rows up by their keys, which is right at every size.
 */
const SETTINGS = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off'

export type Row = Record<string, unknown>

/** What a failed attempt leaves open: nothing was done, it may have been done, or no hope. */
type Failure = 'not-done' | 'unknown' | 'final'

/**
 * Runs statements on a pool of connections and rides out a server that restarts: what was certainly
 * not done is done again, with growing pauses; what may have been done is the caller's to judge.
 */
export class Session {
  readonly #pool: pg.Pool
  readonly #log: Logger
  readonly #description: string
  #lostAtMs: number | undefined

  constructor(components: { log: Logger }, init: PostgresOptions & { description: string }) {
    this.#log = components.log
    this.#description = init.description
    this.#pool = new pg.Pool({
      connectionString: init.url,
      application_name: 'aries',
      ssl: init.ssl,
      max: init.connections,
      min: Math.min(CONNECTIONS_KEPT, init.connections),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: init.statementTimeoutMs,
      query_timeout: init.statementTimeoutMs + SILENCE_MS,
      idle_in_transaction_session_timeout: init.statementTimeoutMs,
      options: SETTINGS,
      keepAlive: true,
      types: { getTypeParser: parserOf },
    })
    // A connection in use tells its query as well; without a listener it would end the process.
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
    // An idle connection that ends is replaced when one is needed.
    this.#pool.on('error', (error) => this.#log.debug({ reason: error.message }, 'store lost'))
  }

  /** Rows of one statement that may be done twice without harm. */
  query(statement: Statement, values: unknown[]): Promise<Row[]> {
    return this.use(async (client) => (await client.query({ ...statement, values })).rows)
  }

  /**
   * Gives `work` a connection; repeats it while the server is away. `repeated` is true when an
   * earlier attempt may have been done. Rejects with `ARIES_E_STORE`.
   */
  async use<T>(work: (client: pg.PoolClient, repeated: boolean) => Promise<T>): Promise<T> {
    if (this.#pool.ending) throw new AriesError('ARIES_E_STORE', 'the store is closed')
    let repeated = false
    for (let pauseMs = BACKOFF_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS)) {
      let client: pg.PoolClient | undefined
      try {
        client = await this.#pool.connect()
        const result = await work(client, repeated)
        client.release()
        this.#found()
        return result
      } catch (thrown) {
        // Whatever state the connection is in, nobody gets it again.
        client?.release(true)
        const error = thrown as Error
        const failure = judge(error, client !== undefined)
        if (failure === 'final' || !this.#isPatient(error)) throw this.#error(error)
        repeated ||= failure === 'unknown'
      }
      await sleep(pauseMs * (0.5 + Math.random() / 2))
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  #isPatient(error: Error): boolean {
    const nowMs = performance.now()
    if (this.#lostAtMs === undefined) {
      this.#lostAtMs = nowMs
      this.#log.warn({ store: this.#description, reason: error.message }, 'store lost')
    }
    return nowMs - this.#lostAtMs < PATIENCE_MS
  }

  #found(): void {
    if (this.#lostAtMs === undefined) return
    const lostMs = Math.round(performance.now() - this.#lostAtMs)
    this.#lostAtMs = undefined
    this.#log.info({ store: this.#description, lostMs }, 'store back')
  }

  #error(error: Error): AriesError {
    if (error instanceof AriesError) return error
    const message = error.message === '' ? error.name : error.message
    return new AriesError('ARIES_E_STORE', `${this.#description}: ${message}`, { cause: error })
  }
}

// SQLSTATE codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
const TOO_MANY_CONNECTIONS = '53300'
/** Of the class "operator intervention": the server stops, was killed, or is starting. */
const SERVER_AWAY = new Set(['57P01', '57P02', '57P03'])

function judge(error: Error, connected: boolean): Failure {
  if (error instanceof AriesError) return 'final'
  if (error instanceof pg.DatabaseError) {
    const code = error.code ?? ''
    if (code === SERIALIZATION_FAILURE || code === DEADLOCK_DETECTED) return 'not-done'
    if (code === TOO_MANY_CONNECTIONS) return 'not-done'
    if (SERVER_AWAY.has(code)) return connected ? 'unknown' : 'not-done'
    return 'final'
  }
  return connected ? 'unknown' : 'not-done'
}

/** Epochs, turn numbers and times as numbers; they stay far below 2^53. */
const parserOf = ((oid: number, format?: 'text') =>
  oid === BIGINT_OID
    ? Number
    : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser
