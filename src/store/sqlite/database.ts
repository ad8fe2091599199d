import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AriesError } from '../../errors.ts'
import { checkVersion } from '../check.ts'
import { MIGRATIONS } from './schema.ts'

/** How long a call waits for the locks of other processes before it gives up, milliseconds. */
export const BUSY_DEADLINE_MS = 5_000
const BUSY_WAIT_MIN_MS = 0.3
const BUSY_WAIT_SPREAD_MS = 0.7
/** The log is cut back to this when it starts anew, bytes. */
const WAL_BYTES_KEPT = 16 * 1024 * 1024

// Result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5
const SQLITE_PROTOCOL = 15

/** Opens the file, makes it and its directory when missing, and brings the schema up to date. */
export function openDatabase(path: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true })
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    useLog(db)
    db.exec(`PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`)
    inTransaction(db, () => migrate(db))
  } catch (error) {
    db.close()
    throw error
  }
  return db
}

function useLog(db: DatabaseSync): void {
  const mode = whenFree(() => db.prepare('PRAGMA journal_mode = WAL').get())?.['journal_mode']
  if (mode === 'wal') return
  throw new AriesError('ARIES_E_STORE', 'the file system cannot hold a write-ahead log (WAL)')
}

/** Runs `work` as one transaction that may write; all or nothing. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  whenFree(() => db.exec('BEGIN IMMEDIATE'))
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/**
 * Tries `call` again while another process holds the lock it needs. SQLite's own busy handler steps
 * up to 100 ms between tries, so that of several busy processes one starves; short random pauses
 * keep the line moving.
 */
export function whenFree<T>(call: () => T): T {
  const deadlineMs = performance.now() + BUSY_DEADLINE_MS
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!isBusy(error)) throw error
      if (performance.now() >= deadlineMs) {
        throw new AriesError(
          'ARIES_E_STORE',
          `the database was locked by another process for ${BUSY_DEADLINE_MS} ms`,
          { cause: error },
        )
      }
    }
    Atomics.wait(sleeper, 0, 0, BUSY_WAIT_MIN_MS + Math.random() * BUSY_WAIT_SPREAD_MS)
  }
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0
  // The low byte is the primary code; PROTOCOL means that the race for the log's locks was lost.
  return (code & 0xff) === SQLITE_BUSY || (code & 0xff) === SQLITE_PROTOCOL
}

function migrate(db: DatabaseSync): void {
  db.exec('CREATE TABLE IF NOT EXISTS aries_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)')
  const row = db.prepare("SELECT value FROM aries_meta WHERE name = 'schema'").get()
  const version = Number(row?.['value'] ?? 0)
  checkVersion(version, MIGRATIONS.length)
  if (version === MIGRATIONS.length) return
  for (const step of MIGRATIONS.slice(version)) db.exec(step)
  db.prepare("INSERT OR REPLACE INTO aries_meta VALUES ('schema', ?)").run(
    String(MIGRATIONS.length),
  )
}
