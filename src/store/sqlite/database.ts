import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AriesError } from '../../errors.ts'
import { ensureFolder } from '../../folder.ts'
import { checkSchema } from '../check.ts'
import { inTransaction, whenFree } from './lock.ts'
import { MIGRATIONS } from './schema.ts'

/** The log is cut back to this when it starts anew, bytes. */
const WAL_BYTES_KEPT = 16 * 1024 * 1024

/** Opens the file, makes it and its directory when missing, and brings the schema up to date. */
export function openDatabase(path: string): DatabaseSync {
  ensureFolder(dirname(path), 'ARIES_E_STORE')
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

function migrate(db: DatabaseSync): void {
  db.exec('CREATE TABLE IF NOT EXISTS aries_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)')
  const row = db.prepare("SELECT value FROM aries_meta WHERE name = 'schema'").get()
  const version = Number(row?.['value'] ?? 0)
  checkSchema(version, MIGRATIONS.length)
  if (version === MIGRATIONS.length) return
  for (const step of MIGRATIONS.slice(version)) db.exec(step)
  db.prepare("INSERT OR REPLACE INTO aries_meta VALUES ('schema', ?)").run(
    String(MIGRATIONS.length),
  )
}
