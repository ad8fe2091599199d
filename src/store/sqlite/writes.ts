import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { formatWorkerId } from '../../identity.ts'
import { refusal, refused } from '../claim.ts'
import type { PackedRecord } from '../pack.ts'
import type { ClaimRequest, ClaimResult, CommitResult } from '../store.ts'
import type { Reply, WriteJob } from './ipc.ts'
import { JobWrites } from './jobs.ts'
import type { Reads } from './reads.ts'

type CommitJob = WriteJob & { do: 'commit' }

/** The writing half of the store, on the thread; always inside a transaction. */
export class Writes {
  readonly #reads: Reads
  readonly #jobs: JobWrites
  readonly #register: StatementSync
  readonly #renew: StatementSync
  readonly #end: StatementSync
  readonly #touch: StatementSync
  readonly #create: StatementSync
  readonly #raise: StatementSync
  readonly #turn: StatementSync
  readonly #set: StatementSync
  readonly #remove: StatementSync

  constructor(db: DatabaseSync, reads: Reads) {
    this.#reads = reads
    this.#jobs = new JobWrites(db)
    this.#register = db.prepare(
      `INSERT INTO aries_nodes VALUES (?, 1, 'active', ?)
       ON CONFLICT DO UPDATE SET incarnation = incarnation + 1, status = 'active',
         lease_until_ms = excluded.lease_until_ms
       RETURNING incarnation`,
    )
    const active = "WHERE id = ? AND incarnation = ? AND status = 'active'"
    this.#renew = db.prepare(`UPDATE aries_nodes SET lease_until_ms = ? ${active}`)
    this.#end = db.prepare(`UPDATE aries_nodes SET status = ? ${active}`)
    this.#touch = db.prepare('UPDATE aries_nodes SET lease_until_ms = lease_until_ms WHERE id = ?')
    this.#create = db.prepare(
      `INSERT INTO aries_workers (class, key, node, incarnation, host, epoch, seq)
       VALUES (?, ?, ?, ?, ?, 1, 0)`,
    )
    this.#raise = db.prepare(
      `UPDATE aries_workers SET epoch = epoch + 1, node = ?, incarnation = ?, host = ?
       WHERE class = ? AND key = ?`,
    )
    this.#turn = db.prepare(
      `UPDATE aries_workers SET seq = seq + 1, version = coalesce(?, version)
       WHERE class = ? AND key = ? AND epoch = ? AND seq + 1 = ? AND node = ? AND incarnation = ?
       RETURNING id`,
    )
    this.#set = db.prepare(
      `INSERT INTO aries_sections VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value`,
    )
    this.#remove = db.prepare('DELETE FROM aries_sections WHERE worker = ? AND name = ?')
  }

  /** `values` holds the sections of the commits; times are those of this machine's clock. */
  run(job: WriteJob, values: Uint8Array): Reply {
    switch (job.do) {
      case 'register':
        return Number(this.#register.get(job.node, Date.now() + job.leaseMs)?.['incarnation'])
      case 'renew':
        return this.#renew.run(Date.now() + job.leaseMs, job.node, job.incarnation).changes === 1
      case 'end':
        if (job.by && !this.#reads.isActive(job.by.node, job.by.incarnation)) return false
        return this.#end.run(job.status, job.node, job.incarnation).changes === 1
      case 'write-job': {
        const { node, incarnation } = job.write.by
        if (!this.#reads.isActive(node, incarnation)) return 'fenced'
        return this.#jobs.write(job.write)
      }
      case 'forget-jobs':
        return this.#jobs.forget(job.keep, job.keepMs)
      case 'claim':
        return this.#claim(job.request)
      case 'commit':
        return this.#commit(job, values)
    }
  }

  #claim(request: ClaimRequest): ClaimResult {
    const { id, node, incarnation, host } = request
    const owner = this.#reads.owner(id)
    const reason = refusal(request, owner, this.#reads.isActive(node, incarnation))
    if (reason !== undefined) return refused(reason, owner)
    if (owner === undefined) {
      this.#create.run(id.class, id.key, node, incarnation, host)
      return { ok: true, epoch: 1, seq: 0 }
    }
    this.#raise.run(node, incarnation, host, id.class, id.key)
    return { ok: true, epoch: owner.epoch + 1, seq: owner.seq }
  }

  #commit(job: CommitJob, values: Uint8Array): CommitResult[] {
    if (!this.#reads.isActive(job.node, job.incarnation)) return job.records.map(() => 'fenced')
    if (job.records.length === 0) this.#touch.run(job.node)
    // A turn stands on the one before it: after a refused turn none of its worker's may pass.
    const fenced = new Set<string>()
    return job.records.map((record) => {
      const name = formatWorkerId(record.id)
      if (!fenced.has(name) && this.#apply(job, record, values)) return 'ok'
      fenced.add(name)
      return 'fenced'
    })
  }

  #apply(job: CommitJob, record: PackedRecord, values: Uint8Array): boolean {
    const { id, epoch, seq } = record
    const { node, incarnation } = job
    const version = record.version ?? null
    const row = this.#turn.get(version, id.class, id.key, epoch, seq, node, incarnation)
    if (row === undefined) return false
    const worker = row['id'] as number
    for (const name of record.remove) this.#remove.run(worker, name)
    for (const { name, at, bytes } of record.set) {
      this.#set.run(worker, name, values.subarray(at, at + bytes))
    }
    return true
  }
}
