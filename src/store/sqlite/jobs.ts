import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { JobRecord, JobState, JobWrite, JobWriteResult } from '../store.ts'

/** With the clock as its first parameter, twice. */
const RECORD = `SELECT j.*, ? - j.made_ms AS age,
    n.status IS 'active' AND n.incarnation = j.incarnation AS active,
    n.incarnation IS NOT j.incarnation OR (n.status <> 'active' AND n.lease_until_ms < ?) AS gone
  FROM aries_jobs j LEFT JOIN aries_nodes n ON n.id = j.node`

/** Jobs as the thread of the store reads them. */
export class JobReads {
  readonly #one: StatementSync
  readonly #live: StatementSync
  readonly #past: StatementSync

  constructor(db: DatabaseSync) {
    this.#one = db.prepare(`${RECORD} WHERE j.id = ?`)
    this.#live = db.prepare(
      `${RECORD} WHERE j.state IN ('queued', 'running') ORDER BY j.made_ms, j.id LIMIT ?`,
    )
    this.#past = db.prepare(
      `${RECORD} WHERE j.state IN ('ended', 'lost') ORDER BY j.made_ms DESC, j.id LIMIT ?`,
    )
  }

  one(id: string): JobRecord | undefined {
    const nowMs = Date.now()
    const row = this.#one.get(nowMs, nowMs, id)
    return row && toRecord(row)
  }

  some(which: 'live' | 'past', limit: number): JobRecord[] {
    const nowMs = Date.now()
    const statement = which === 'live' ? this.#live : this.#past
    return statement.all(nowMs, nowMs, limit).map(toRecord)
  }
}

/** Jobs as the thread of the store writes them; always inside a transaction. */
export class JobWrites {
  readonly #queued: StatementSync
  readonly #make: StatementSync
  readonly #write: StatementSync
  readonly #forget: StatementSync

  constructor(db: DatabaseSync) {
    this.#queued = db.prepare("SELECT count(*) AS count FROM aries_jobs WHERE state = 'queued'")
    this.#make = db.prepare(
      'INSERT INTO aries_jobs VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    )
    this.#write = db.prepare(
      `UPDATE aries_jobs SET version = version + 1, state = ?, node = ?, incarnation = ?, body = ?
       WHERE id = ? AND version = ?`,
    )
    this.#forget = db.prepare(
      `DELETE FROM aries_jobs WHERE state IN ('ended', 'lost') AND (made_ms < ? OR id NOT IN (
         SELECT id FROM aries_jobs WHERE state IN ('ended', 'lost')
         ORDER BY made_ms DESC, id LIMIT ?))`,
    )
  }

  write({ row, queueMax }: JobWrite): JobWriteResult {
    const { id, version, state, node, incarnation, body } = row
    if (version > 0) {
      const { changes } = this.#write.run(state, node, incarnation, body, id, version)
      return changes === 1 ? 'ok' : 'conflict'
    }
    if (Number(this.#queued.get()?.['count']) >= (queueMax ?? Number.POSITIVE_INFINITY)) {
      return 'full'
    }
    const { changes } = this.#make.run(id, state, node, incarnation, Date.now(), body)
    return changes === 1 ? 'ok' : 'conflict'
  }

  forget(keep: number, keepMs: number): undefined {
    this.#forget.run(Date.now() - keepMs, keep)
  }
}

function toRecord(row: Record<string, SQLOutputValue>): JobRecord {
  return {
    id: row['id'] as string,
    version: Number(row['version']),
    state: row['state'] as JobState,
    node: row['node'] as string,
    incarnation: Number(row['incarnation']),
    body: row['body'] as string,
    ageMs: Number(row['age']),
    nodeActive: row['active'] === 1,
    nodeGone: row['gone'] === 1,
  }
}
