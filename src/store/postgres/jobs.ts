import type { JobRecord, JobState, JobWrite, JobWriteResult } from '../store.ts'
import type { Row, Session } from './session.ts'

const NOW_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

const RECORD = `SELECT j.*, ${NOW_MS} - j.made_ms AS age,
    coalesce(n.status = 'active' AND n.incarnation = j.incarnation, false) AS active,
    n.incarnation IS DISTINCT FROM j.incarnation
      OR (n.status <> 'active' AND n.lease_until_ms < ${NOW_MS}) AS gone
  FROM aries_jobs j LEFT JOIN aries_nodes n ON n.id = j.node`

const ONE = { name: 'aries-job', text: `${RECORD} WHERE j.id = $1` }
const SOME = {
  live: {
    name: 'aries-jobs-live',
    text: `${RECORD} WHERE j.state IN ('queued', 'running') ORDER BY j.made_ms, j.id LIMIT $1`,
  },
  past: {
    name: 'aries-jobs-past',
    text: `${RECORD} WHERE j.state IN ('ended', 'lost') ORDER BY j.made_ms DESC, j.id LIMIT $1`,
  },
}

/** The lock on the writer's row keeps its eviction out until the write is done, as in `commit.ts`. */
const WRITER = `writer AS (
    SELECT id FROM aries_nodes
    WHERE id = $1 AND incarnation = $2 AND status = 'active' FOR KEY SHARE
  )`
/** Two that make one at the same time may exceed `queueMax` by one: it bounds, it does not count. */
const MAKE = {
  name: 'aries-job-make',
  text: `WITH ${WRITER}, room AS (
      SELECT count(*) < coalesce($8, 9007199254740991) AS is_free
      FROM aries_jobs WHERE state = 'queued'
    ), made AS (
      INSERT INTO aries_jobs
      SELECT $3, 1, $4, $5, $6::bigint, ${NOW_MS}, $7 FROM writer, room WHERE is_free
      ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT EXISTS (SELECT FROM writer) AS active, is_free, EXISTS (SELECT FROM made) AS done
    FROM room`,
}
const WRITE = {
  name: 'aries-job-write',
  text: `WITH ${WRITER}, written AS (
      UPDATE aries_jobs SET version = version + 1, state = $4, node = $5, incarnation = $6,
        body = $7
      WHERE id = $3 AND version = $8 AND EXISTS (SELECT FROM writer)
      RETURNING id
    )
    SELECT EXISTS (SELECT FROM writer) AS active, true AS is_free,
      EXISTS (SELECT FROM written) AS done`,
}
const FORGET = {
  text: `DELETE FROM aries_jobs
    WHERE state IN ('ended', 'lost') AND (made_ms < ${NOW_MS} - $2::bigint OR id NOT IN (
      SELECT id FROM aries_jobs WHERE state IN ('ended', 'lost')
      ORDER BY made_ms DESC, id LIMIT $1))`,
}

export async function readJob(session: Session, id: string): Promise<JobRecord | undefined> {
  const [row] = await session.query(ONE, [id])
  return row && toRecord(row)
}

export async function readJobs(
  session: Session,
  which: 'live' | 'past',
  limit: number,
): Promise<JobRecord[]> {
  return (await session.query(SOME[which], [limit])).map(toRecord)
}

/** A write whose answer was lost is done again, and then conflicts with itself: see below. */
export async function writeJob(
  session: Session,
  { row, by, queueMax }: JobWrite,
): Promise<JobWriteResult> {
  const { id, version, state, node, incarnation, body } = row
  const values = [by.node, by.incarnation, id, state, node, incarnation, body]
  const [answer] =
    version === 0
      ? await session.query(MAKE, [...values, queueMax ?? null])
      : await session.query(WRITE, [...values, version])
  if (answer?.['done'] === true) return 'ok'
  if (answer?.['active'] !== true) return 'fenced'
  if (await isWritten(session, row)) return 'ok'
  return answer['is_free'] === true ? 'conflict' : 'full'
}

async function isWritten(session: Session, row: JobWrite['row']): Promise<boolean> {
  const now = await readJob(session, row.id)
  return (
    now?.version === row.version + 1 &&
    now.state === row.state &&
    now.node === row.node &&
    now.incarnation === row.incarnation &&
    now.body === row.body
  )
}

export async function forgetJobs(session: Session, keep: number, keepMs: number): Promise<void> {
  await session.query(FORGET, [keep, keepMs])
}

function toRecord(row: Row): JobRecord {
  return {
    id: String(row['id']),
    version: Number(row['version']),
    state: row['state'] as JobState,
    node: String(row['node']),
    incarnation: Number(row['incarnation']),
    body: String(row['body']),
    ageMs: Number(row['age']),
    nodeActive: row['active'] === true,
    nodeGone: row['gone'] === true,
  }
}
