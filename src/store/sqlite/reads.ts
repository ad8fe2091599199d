import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { WorkerId } from '../../identity.ts'
import { ALARM_SECTION, alarmBound, decodeAlarm } from '../alarm.ts'
import type {
  DueAlarm,
  Incarnation,
  NodeRecord,
  NodeStatus,
  OwnerRecord,
  Section,
} from '../store.ts'
import type { LoadedSlice, ReadJob, Reply } from './ipc.ts'
import { JobReads } from './jobs.ts'
import { whenFree } from './lock.ts'

type Row = Record<string, SQLOutputValue>

const OWNER = `SELECT w.id, w.class, w.key, w.node, w.incarnation, w.host, w.epoch, w.seq,
    w.version,
    n.status IS 'active' AND n.incarnation = w.incarnation AS active
  FROM aries_workers w LEFT JOIN aries_nodes n ON n.id = w.node`

/** The reading half of the store, on the thread. */
export class Reads {
  readonly #db: DatabaseSync
  readonly #jobs: JobReads
  readonly #nodes: StatementSync
  readonly #active: StatementSync
  readonly #owner: StatementSync
  readonly #ownedBy: StatementSync
  readonly #alarms: StatementSync
  readonly #sections: StatementSync
  readonly #sectionsAfter: StatementSync

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#jobs = new JobReads(db)
    this.#nodes = db.prepare('SELECT * FROM aries_nodes ORDER BY id')
    this.#active = db.prepare(
      "SELECT 1 FROM aries_nodes WHERE id = ? AND incarnation = ? AND status = 'active'",
    )
    this.#owner = db.prepare(`${OWNER} WHERE w.class = ? AND w.key = ?`)
    this.#ownedBy = db.prepare(
      `${OWNER} WHERE w.node = ? AND (w.class, w.key) > (?, ?) ORDER BY w.class, w.key LIMIT ?`,
    )
    this.#alarms = db.prepare(
      `SELECT w.class, w.key, s.value FROM aries_sections s JOIN aries_workers w ON w.id = s.worker
       WHERE s.name = '${ALARM_SECTION}' AND s.value >= ? AND s.value < ? ORDER BY s.value LIMIT ?`,
    )
    const sections = 'SELECT name, value FROM aries_sections WHERE worker = ?'
    this.#sections = db.prepare(`${sections} ORDER BY name`)
    this.#sectionsAfter = db.prepare(`${sections} AND name > ? ORDER BY name`)
  }

  run(job: ReadJob): Reply {
    switch (job.do) {
      case 'nodes':
        return whenFree(() => this.#nodes.all()).map(toNode)
      case 'job':
        return whenFree(() => this.#jobs.one(job.id))
      case 'jobs':
        return whenFree(() => this.#jobs.some(job.which, job.limit))
      case 'owner':
        return whenFree(() => this.owner(job.id))
      case 'ownedBy':
        return whenFree(() => this.#page(job))
      case 'alarms':
        return whenFree(() => this.#due(job))
      case 'load':
        return whenFree(() => this.#load(job))
    }
  }

  isActive(node: string, incarnation: Incarnation): boolean {
    return this.#active.get(node, incarnation) !== undefined
  }

  owner(id: WorkerId): OwnerRecord | undefined {
    const row = this.#owner.get(id.class, id.key)
    return row === undefined ? undefined : toOwner(row)
  }

  #page(job: ReadJob & { do: 'ownedBy' }): OwnerRecord[] {
    const after = job.after ?? { class: '', key: '' }
    return this.#ownedBy.all(job.node, after.class, after.key, job.limit).map(toOwner)
  }

  #due(job: ReadJob & { do: 'alarms' }): DueAlarm[] {
    const bounds = [alarmBound(job.afterMs + 1), alarmBound(job.beforeMs + 1)] as const
    return this.#alarms.all(...bounds, job.limit).map((row) => ({
      id: { class: row['class'] as string, key: row['key'] as string },
      dueMs: decodeAlarm(row['value'] as Uint8Array).dueMs,
    }))
  }

  /** One snapshot for the worker's row and its sections. */
  #load(job: ReadJob & { do: 'load' }): LoadedSlice | undefined {
    this.#db.exec('BEGIN')
    try {
      const row = this.#owner.get(job.id.class, job.id.key)
      if (row === undefined) return undefined
      const worker = Number(row['id'])
      const rows =
        job.after === undefined
          ? this.#sections.iterate(worker)
          : this.#sectionsAfter.iterate(worker, job.after)
      const { epoch, seq, version } = toOwner(row)
      return { epoch, seq, version, ...cut(rows, job.bytesMax) }
    } finally {
      this.#db.exec('COMMIT')
    }
  }
}

/** The first sections, up to the one that reaches `bytesMax`. */
function cut(rows: Iterable<Row>, bytesMax: number): { sections: Section[]; more: boolean } {
  const sections: Section[] = []
  let bytes = 0
  for (const row of rows) {
    if (bytes >= bytesMax) return { sections, more: true }
    const value = row['value'] as Uint8Array
    sections.push({ name: row['name'] as string, value })
    bytes += value.byteLength
  }
  return { sections, more: false }
}

function toNode(row: Row): NodeRecord {
  return {
    id: row['id'] as string,
    incarnation: Number(row['incarnation']),
    status: row['status'] as NodeStatus,
    leaseUntilMs: Number(row['lease_until_ms']),
  }
}

function toOwner(row: Row): OwnerRecord {
  return {
    id: { class: row['class'] as string, key: row['key'] as string },
    node: row['node'] as string,
    incarnation: Number(row['incarnation']),
    host: Number(row['host']),
    epoch: Number(row['epoch']),
    seq: Number(row['seq']),
    version: Number(row['version']),
    ownerActive: row['active'] === 1,
  }
}
