import type { PoolClient } from 'pg'
import { formatWorkerId, type WorkerId } from '../../identity.ts'
import type { Logger } from '../../log.ts'
import { ALARM_SECTION, alarmBound, decodeAlarm } from '../alarm.ts'
import {
  checkAlarmRange,
  checkClaim,
  checkCount,
  checkId,
  checkJob,
  checkNode,
  checkRecord,
} from '../check.ts'
import { Group } from '../group.ts'
import { recordsBytes } from '../pack.ts'
import type {
  ClaimRequest,
  ClaimResult,
  CommitRecord,
  CommitResult,
  DueAlarm,
  Evictor,
  Incarnation,
  JobRecord,
  JobWrite,
  JobWriteResult,
  LoadedWorker,
  NodeRecord,
  OwnerRecord,
  Store,
} from '../store.ts'
import { claimAll, prepareClaim } from './claim.ts'
import { type CommitJob, commitAll, prepareCommit } from './commit.ts'
import { forgetJobs, readJob, readJobs, writeJob } from './jobs.ts'
import { Lanes } from './lanes.ts'
import { migrate } from './migrate.ts'
import { OWNER, toNode, toOwner } from './records.ts'
import { type Row, Session } from './session.ts'
import { CONNECTIONS_KEPT, type PostgresOptions } from './url.ts'
import { CHANNEL, NodeWatch } from './watch.ts'

/** The most one commit statement carries, bytes of values and of what a record costs besides. */
const STATEMENT_BYTES_MAX = 4 * 1024 * 1024
const RECORD_BYTES = 1_024
const CLAIMS_MAX = 1_000
const OWNERS_MAX = 1_000
/** At a time: fewer than the connections that are kept, for commits go on beside them. */
const LOADS_MAX = CONNECTIONS_KEPT - 1

const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
/** Waits for the commits and claims of the node that are under way, and keeps new ones out. */
const LOCKED = 'SELECT id FROM aries_nodes WHERE id = $1 FOR UPDATE'

const REGISTER = {
  text: `INSERT INTO aries_nodes AS n VALUES ($1, 1, 'active', ${NOW_MS} + $2::bigint)
    ON CONFLICT (id) DO UPDATE SET incarnation = n.incarnation + 1, status = 'active',
      lease_until_ms = excluded.lease_until_ms
    RETURNING incarnation`,
}
const RENEW = {
  text: `UPDATE aries_nodes SET lease_until_ms = ${NOW_MS} + $3::bigint
    WHERE id = $1 AND incarnation = $2 AND status = 'active' RETURNING id`,
}
/** Both rows in order of their ids: of two nodes that evict each other one is first. */
const END = {
  text: `WITH locked AS (
      SELECT * FROM aries_nodes WHERE id = $1 OR id = $4 ORDER BY id FOR UPDATE
    ), ended AS (
      UPDATE aries_nodes n SET status = $3 FROM locked l
      WHERE n.id = $1 AND n.id = l.id AND n.incarnation = $2 AND n.status = 'active'
        AND ($4::text IS NULL OR EXISTS (
          SELECT FROM locked e WHERE e.id = $4 AND e.incarnation = $5 AND e.status = 'active'
        ))
      RETURNING n.id
    )
    SELECT pg_notify('${CHANNEL}', id) FROM ended`,
}
const NODES = { text: 'SELECT * FROM aries_nodes ORDER BY id' }
/** LATERAL makes it one look-up by key for each worker, as in `commit.ts`. */
const OWNERS_OF = {
  name: 'aries-owners',
  text: `SELECT o.* FROM unnest($1::text[], $2::text[]) AS i (class, key),
    LATERAL (${OWNER} WHERE w.class = i.class AND w.key = i.key) o`,
}
const OWNED_BY = {
  name: 'aries-owned-by',
  text: `${OWNER} WHERE w.node = $1 AND (w.class, w.key) > ($2, $3)
    ORDER BY w.class, w.key LIMIT $4`,
}
const LOAD = {
  name: 'aries-load',
  text: `SELECT w.epoch, w.seq, w.version, s.name, s.value
    FROM aries_workers w LEFT JOIN aries_sections s ON s.worker = w.id
    WHERE w.class = $1 AND w.key = $2 ORDER BY s.name`,
}
const DUE_ALARMS = {
  name: 'aries-due-alarms',
  text: `SELECT w.class, w.key, s.value FROM aries_sections s JOIN aries_workers w ON w.id = s.worker
    WHERE s.name = '${ALARM_SECTION}' AND s.value >= $1 AND s.value < $2 ORDER BY s.value LIMIT $3`,
}

/** The store beyond one machine: PostgreSQL 15 or newer. */
export class PostgresStore implements Store {
  readonly description: string
  readonly #session: Session
  readonly #options: PostgresOptions
  readonly #watches = new Set<NodeWatch>()
  readonly #commits: Group<CommitJob, CommitResult[]>
  readonly #claims: Group<ClaimRequest, ClaimResult>
  /** All workers of a dead node are asked for at once. */
  readonly #owners: Group<WorkerId, OwnerRecord | undefined>
  readonly #loads = new Lanes(LOADS_MAX)
  #closed: Promise<void> | undefined

  private constructor(session: Session, options: PostgresOptions, description: string) {
    this.#options = options
    this.description = description
    this.#session = session
    this.#commits = new Group(
      { run: (jobs) => commitAll(session, jobs), weigh: weighCommit },
      { weightMax: STATEMENT_BYTES_MAX },
    )
    this.#claims = new Group(
      { run: (requests) => claimAll(session, requests), weigh: () => 1 },
      { weightMax: CLAIMS_MAX },
    )
    this.#owners = new Group(
      { run: (ids) => readOwners(session, ids), weigh: () => 1 },
      { weightMax: OWNERS_MAX },
    )
  }

  /** `description` is what may be shown of the url. Throws `ARIES_E_STORE`. */
  static async open(
    components: { log: Logger },
    options: PostgresOptions,
    description: string,
  ): Promise<PostgresStore> {
    const session = new Session(components, { ...options, description })
    try {
      await session.use(async (client) => migrate(client))
      const kept = Array.from({ length: Math.min(CONNECTIONS_KEPT, options.connections) })
      await Promise.all(kept.map(() => session.use(prepare)))
    } catch (error) {
      await session.close()
      throw error
    }
    components.log.debug({ store: description }, 'store open')
    return new PostgresStore(session, options, description)
  }

  async register(node: string, leaseMs: number): Promise<Incarnation> {
    checkNode(node)
    checkCount('leaseMs', leaseMs)
    return this.#session.use(async (client) => {
      await client.query('BEGIN')
      await client.query({ text: LOCKED, values: [node] })
      const { rows } = await client.query<Row>({ ...REGISTER, values: [node, leaseMs] })
      await client.query('COMMIT')
      return Number(rows[0]?.['incarnation'])
    })
  }

  async renew(node: string, incarnation: Incarnation, leaseMs: number): Promise<boolean> {
    checkNode(node)
    checkCount('incarnation', incarnation)
    checkCount('leaseMs', leaseMs)
    return (await this.#session.query(RENEW, [node, incarnation, leaseMs])).length === 1
  }

  async leave(node: string, incarnation: Incarnation): Promise<void> {
    await this.#end(node, incarnation, 'left')
  }

  async evict(node: string, incarnation: Incarnation, by?: Evictor): Promise<boolean> {
    return this.#end(node, incarnation, 'evicted', by)
  }

  async nodes(): Promise<NodeRecord[]> {
    return (await this.#session.query(NODES, [])).map(toNode)
  }

  watch(node: string, onEvicted: () => void): () => void {
    const watch = new NodeWatch({ options: this.#options, node, onEvicted })
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      void watch.stop()
    }
  }

  async owner(id: WorkerId): Promise<OwnerRecord | undefined> {
    checkId(id)
    return this.#owners.add(id)
  }

  async ownedBy(node: string, limit: number, after?: WorkerId): Promise<OwnerRecord[]> {
    checkNode(node)
    checkCount('limit', limit)
    if (after !== undefined) checkId(after)
    const values = [node, after?.class ?? '', after?.key ?? '', limit]
    return (await this.#session.query(OWNED_BY, values)).map(toOwner)
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    checkClaim(request)
    return this.#claims.add(request)
  }

  async commit(
    node: string,
    incarnation: Incarnation,
    records: readonly CommitRecord[],
  ): Promise<CommitResult[]> {
    checkNode(node)
    checkCount('incarnation', incarnation)
    for (const record of records) checkRecord(record)
    return this.#commits.add({ node, incarnation, records, bytes: recordsBytes(records) }, true)
  }

  async load(id: WorkerId): Promise<LoadedWorker | undefined> {
    checkId(id)
    const rows = await this.#loads.run(() => this.#session.query(LOAD, [id.class, id.key]))
    const [first] = rows
    if (first === undefined) return undefined
    const sections = rows
      .filter((row) => row['name'] !== null)
      .map((row) => ({ name: String(row['name']), value: row['value'] as Uint8Array }))
    const [epoch, seq, version] = ['epoch', 'seq', 'version'].map((name) => Number(first[name]))
    return { epoch: epoch!, seq: seq!, version: version!, sections }
  }

  async dueAlarms(afterMs: number, beforeMs: number, limit: number): Promise<DueAlarm[]> {
    checkAlarmRange(afterMs, beforeMs, limit)
    const values = [alarmBound(afterMs + 1), alarmBound(beforeMs + 1), limit]
    return (await this.#session.query(DUE_ALARMS, values)).map((row) => ({
      id: { class: String(row['class']), key: String(row['key']) },
      dueMs: decodeAlarm(row['value'] as Uint8Array).dueMs,
    }))
  }

  job(id: string): Promise<JobRecord | undefined> {
    return readJob(this.#session, id)
  }

  async jobs(which: 'live' | 'past', limit: number): Promise<JobRecord[]> {
    checkCount('limit', limit)
    return readJobs(this.#session, which, limit)
  }

  async writeJob(write: JobWrite): Promise<JobWriteResult> {
    checkJob(write)
    return writeJob(this.#session, write)
  }

  async forgetJobs(keep: number, keepMs: number): Promise<void> {
    checkCount('keep', keep)
    checkCount('keepMs', keepMs)
    await forgetJobs(this.#session, keep, keepMs)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.all([this.#commits.close(), this.#claims.close(), this.#owners.close()])
    await Promise.all(Array.from(this.#watches, (watch) => watch.stop()))
    await this.#session.close()
  }

  async #end(
    node: string,
    incarnation: Incarnation,
    status: 'left' | 'evicted',
    by?: Evictor,
  ): Promise<boolean> {
    checkNode(node)
    checkCount('incarnation', incarnation)
    const values = [node, incarnation, status, by?.node ?? null, by?.incarnation ?? null]
    return (await this.#session.query(END, values)).length === 1
  }
}

function weighCommit(job: CommitJob): number {
  return job.bytes + RECORD_BYTES * job.records.length
}

async function readOwners(
  session: Session,
  ids: readonly WorkerId[],
): Promise<(OwnerRecord | undefined)[]> {
  const values = [ids.map((id) => id.class), ids.map(({ key }) => key)]
  const owners = (await session.query(OWNERS_OF, values)).map(toOwner)
  const byName = new Map(owners.map((owner) => [formatWorkerId(owner.id), owner]))
  return ids.map((id) => byName.get(formatWorkerId(id)))
}

/**
 * Has the connection parse and plan the statements of a failover, and the server read its catalogues
 * for them: its first worker would wait for that.
 */
async function prepare(client: PoolClient): Promise<void> {
  await client.query({ ...OWNERS_OF, values: [[], []] })
  await client.query({ ...LOAD, values: ['', ''] })
  // A server that takes no writes now is not refused for that.
  await prepareClaim(client).catch(() => undefined)
  await prepareCommit(client).catch(() => undefined)
}
