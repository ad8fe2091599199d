/**
 * Waiting for the locks of other processes. SQLite's own busy handler steps up to 100 ms between
 * tries, so that of several busy processes one starves. Here a waiter tries again after a fraction
 * of a millisecond, a little longer the longer it has waited; and who has just had the lock while
 * others wanted it stands back for a moment, for it is awake while they sleep and would win again.
 */
import type { DatabaseSync } from 'node:sqlite'
import { AriesError } from '../../errors.ts'

/** How long a call waits for the lock before it gives up, milliseconds. */
export const BUSY_DEADLINE_MS = 5_000
const PAUSE_MIN_MS = 0.04
const PAUSE_MAX_MS = 0.3
/** What the pause grows by, part of the time waited. */
const PAUSE_GROWTH = 0.02
/** How long, and for how many transactions, to stand back after the lock was seen taken. */
const STAND_BACK_MS = 0.15
const STAND_BACK_TRANSACTIONS = 16

// Result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5
const SQLITE_PROTOCOL = 15

const sleeper = new Int32Array(new SharedArrayBuffer(4))
let standBack = 0

/**
 * Runs `work` as one transaction that may write; all or nothing. One that is not `durable` is there
 * for every process at once, but on the disk only with the next that is: both are in one log.
 */
export function inTransaction<T>(db: DatabaseSync, work: () => T, durable = true): T {
  if (durable) return transaction(db, work)
  whenFree(() => db.exec('PRAGMA synchronous = NORMAL'))
  try {
    return transaction(db, work)
  } finally {
    whenFree(() => db.exec('PRAGMA synchronous = FULL'))
  }
}

function transaction<T>(db: DatabaseSync, work: () => T): T {
  if (standBack > 0) {
    standBack--
    pause(STAND_BACK_MS)
  }
  let tries = 0
  whenFree(() => {
    tries++
    db.exec('BEGIN IMMEDIATE')
  })
  if (tries > 1) standBack = STAND_BACK_TRANSACTIONS
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Tries `call` until no other process holds the lock it needs. Throws `ARIES_E_STORE` in the end. */
export function whenFree<T>(call: () => T): T {
  const startMs = performance.now()
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!isBusy(error)) throw error
      const waitedMs = performance.now() - startMs
      if (waitedMs >= BUSY_DEADLINE_MS) {
        throw new AriesError(
          'ARIES_E_STORE',
          `the database was locked by another process for ${BUSY_DEADLINE_MS} ms`,
          { cause: error },
        )
      }
      const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS + waitedMs * PAUSE_GROWTH)
      pause(pauseMs * (0.5 + Math.random()))
    }
  }
}

function pause(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms)
}

function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode ?? 0
  // The low byte is the primary code; PROTOCOL means that the race for the log's locks was lost.
  return (code & 0xff) === SQLITE_BUSY || (code & 0xff) === SQLITE_PROTOCOL
}
