import type { PoolClient } from 'pg'
import { AriesError } from '../../errors.ts'
import { formatWorkerId, type WorkerId } from '../../identity.ts'
import { Packer } from '../pack.ts'
import type { CommitRecord, CommitResult, Epoch, Incarnation } from '../store.ts'
import type { Row, Session } from './session.ts'

export interface CommitJob {
  readonly node: string
  readonly incarnation: Incarnation
  readonly records: readonly CommitRecord[]
  /** Bytes of all values. */
  readonly bytes: number
}

/** Consecutive turns of one worker, as the one change that they make together. */
interface Chain {
  readonly id: WorkerId
  readonly epoch: Epoch
  readonly firstSeq: number
  lastSeq: number
  /** Undefined: the section is removed. */
  readonly sections: Map<string, Uint8Array | undefined>
  /** A turn that does not follow the one before it is refused, and all after it. */
  broken: boolean
  ok: boolean
  /** What the turns set it to; null: as before. */
  version: number | null
}

/**
 * One statement is one transaction and one round trip. The node's row is held against an eviction;
 * the workers' rows are locked in order of their names, so that no two commits wait in a circle,
 * and what the locked rows then say decides. LATERAL makes it one look-up by key for each item,
 * whatever the planner believes of the table; so do the names of a worker's removed sections as one
 * array, where a join may read all its sections for each name.
 */
const COMMIT = {
  name: 'aries-commit',
  text: `WITH item AS (
    SELECT * FROM unnest(
      $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $15::bigint[]
    ) WITH ORDINALITY AS t (class, key, epoch, first_seq, last_seq, version, item)
  ), active AS (
    SELECT id FROM aries_nodes
    WHERE id = $1 AND incarnation = $2 AND status = 'active'
    FOR KEY SHARE
  ), held AS (
    SELECT i.item, i.last_seq, i.version, w.id,
      w.epoch = i.epoch AND w.seq = i.first_seq - 1 AND w.node = $1 AND w.incarnation = $2 AS ok
    FROM active, (SELECT * FROM item ORDER BY class, key) i,
      LATERAL (
        SELECT * FROM aries_workers w WHERE w.class = i.class AND w.key = i.key FOR UPDATE
      ) w
  ), done AS (
    UPDATE aries_workers w SET seq = h.last_seq, version = coalesce(h.version, w.version)
    FROM held h WHERE w.id = h.id AND h.ok
    RETURNING w.id, h.item
  ), removed AS (
    DELETE FROM aries_sections s
    USING (
        SELECT d.id, array_agg(r.name) AS names
        FROM done d JOIN unnest($13::int[], $14::text[]) AS r (item, name) ON r.item = d.item
        GROUP BY d.id
      ) r
    WHERE s.worker = r.id AND s.name = ANY (r.names)
  ), changed AS (
    INSERT INTO aries_sections (worker, name, value)
    SELECT d.id, s.name, substring($12::bytea FROM s.at + 1 FOR s.bytes)
    FROM done d
    JOIN unnest($8::int[], $9::text[], $10::int[], $11::int[]) AS s (item, name, at, bytes)
      ON s.item = d.item
    ON CONFLICT (worker, name) DO UPDATE SET value = excluded.value
  )
  SELECT item FROM done`,
}

/** A write that changes nothing: whether the server takes any. */
const TOUCH = { text: 'UPDATE aries_nodes SET lease_until_ms = lease_until_ms WHERE id = $1' }

/** Which of the items the store already holds, from an attempt whose answer was lost. */
const COMMITTED = `SELECT i.item
    FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[])
      WITH ORDINALITY AS i (class, key, epoch, last_seq, item)
    JOIN aries_workers w ON w.class = i.class AND w.key = i.key
    WHERE w.epoch = i.epoch AND w.seq = i.last_seq AND w.node = $1 AND w.incarnation = $2`

/** Commits all jobs; those of one incarnation together. */
export async function commitAll(
  session: Session,
  jobs: readonly CommitJob[],
): Promise<CommitResult[][]> {
  const results = jobs.map((): CommitResult[] => [])
  for (const mine of byIncarnation(jobs)) {
    const { node, incarnation } = jobs[mine[0]!]!
    const chains = new Map<string, Chain>()
    const links = mine.map((at) => jobs[at]!.records.map((record) => link(chains, record)))
    if (chains.size > 0) await commitChains(session, node, incarnation, [...chains.values()])
    else await session.query(TOUCH, [node])
    for (const [i, at] of mine.entries()) {
      results[at] = links[i]!.map((chain) => (chain?.ok === true ? 'ok' : 'fenced'))
    }
  }
  return results
}

/** Has the connection parse and plan the statement; nothing is committed. */
export async function prepareCommit(client: PoolClient): Promise<void> {
  await client.query({ ...COMMIT, values: parameters('', 0, []) })
}

/** Places of the jobs of each incarnation; one list unless the node registered anew just now. */
function byIncarnation(jobs: readonly CommitJob[]): number[][] {
  const groups = new Map<string, number[]>()
  for (const [at, { node, incarnation }] of jobs.entries()) {
    const name = `${incarnation} ${node}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [at])
    else group.push(at)
  }
  return [...groups.values()]
}

/** Adds the turn to its worker's chain; undefined when it does not follow. */
function link(chains: Map<string, Chain>, record: CommitRecord): Chain | undefined {
  const name = formatWorkerId(record.id)
  let chain = chains.get(name)
  if (chain === undefined) {
    const { id, epoch, seq } = record
    const none = { sections: new Map(), version: null, broken: false, ok: false }
    chain = { id, epoch, firstSeq: seq, lastSeq: seq - 1, ...none }
    chains.set(name, chain)
  }
  if (chain.broken || chain.epoch !== record.epoch || chain.lastSeq + 1 !== record.seq) {
    chain.broken = true
    return undefined
  }
  chain.lastSeq = record.seq
  chain.version = record.version ?? chain.version
  for (const section of record.remove) chain.sections.set(section, undefined)
  for (const { name: section, value } of record.set) chain.sections.set(section, value)
  return chain
}

async function commitChains(
  session: Session,
  node: string,
  incarnation: Incarnation,
  chains: readonly Chain[],
): Promise<void> {
  const values = parameters(node, incarnation, chains)
  await session.use(async (client, repeated) => {
    if (repeated) {
      const [, , classes, keys, epochs] = values
      const lastSeqs = values[6]
      const sent = [node, incarnation, classes, keys, epochs, lastSeqs]
      accept(chains, (await client.query<Row>({ text: COMMITTED, values: sent })).rows)
    }
    accept(chains, (await client.query<Row>({ ...COMMIT, values })).rows)
    if (repeated && chains.some((chain) => !chain.ok)) {
      throw new AriesError('ARIES_E_STORE', 'the connection was lost during a commit')
    }
  })
}

function accept(chains: readonly Chain[], rows: readonly Row[]): void {
  for (const row of rows) chains[Number(row['item']) - 1]!.ok = true
}

function parameters(node: string, incarnation: Incarnation, chains: readonly Chain[]): unknown[] {
  const packer = new Packer(chainsBytes(chains))
  const set = {
    item: [] as number[],
    name: [] as string[],
    at: [] as number[],
    bytes: [] as number[],
  }
  const removed = { item: [] as number[], name: [] as string[] }
  for (const [i, chain] of chains.entries()) {
    for (const [name, value] of chain.sections) {
      if (value === undefined) {
        removed.item.push(i + 1)
        removed.name.push(name)
        continue
      }
      const { at, bytes } = packer.add(name, value)
      set.item.push(i + 1)
      set.name.push(name)
      set.at.push(at)
      set.bytes.push(bytes)
    }
  }
  return [
    node,
    incarnation,
    chains.map(({ id }) => id.class),
    chains.map(({ id }) => id.key),
    chains.map(({ epoch }) => epoch),
    chains.map(({ firstSeq }) => firstSeq),
    chains.map(({ lastSeq }) => lastSeq),
    set.item,
    set.name,
    set.at,
    set.bytes,
    packer.buffer,
    removed.item,
    removed.name,
    chains.map(({ version }) => version),
  ]
}

function chainsBytes(chains: readonly Chain[]): number {
  let bytes = 0
  for (const { sections } of chains) {
    for (const value of sections.values()) bytes += value?.byteLength ?? 0
  }
  return bytes
}
