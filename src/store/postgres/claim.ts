import type { PoolClient } from 'pg'
import { AriesError } from '../../errors.ts'
import { formatWorkerId } from '../../identity.ts'
import { refusal, refused } from '../claim.ts'
import type { ClaimRequest, ClaimResult } from '../store.ts'
import { OWNER, toOwner } from './records.ts'
import type { Row, Session } from './session.ts'

/**
 * Locks as in `commit.ts`: claimers first, then workers in order. Whether the last owner is gone is
 * read without a lock: an incarnation that is gone never comes back, and one that goes just now
 * only costs the claimer another try.
 */
const CLAIM = {
  name: 'aries-claim',
  text: `WITH item AS (
    SELECT * FROM
      unnest(
        $1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bool[],
        $8::bigint[]
      ) WITH ORDINALITY
        AS t (class, key, epoch, node, incarnation, host, handover, class_version, item)
  ), claimer AS (
    SELECT n.id, n.incarnation FROM aries_nodes n
    WHERE n.status = 'active'
      AND EXISTS (SELECT FROM item i WHERE i.node = n.id AND i.incarnation = n.incarnation)
    ORDER BY n.id
    FOR KEY SHARE
  ), held AS (
    SELECT i.*, w.id, w.epoch AS current, w.node AS owner, w.incarnation AS owner_incarnation,
      w.version
    FROM (
        SELECT i.* FROM item i JOIN claimer c ON c.id = i.node AND c.incarnation = i.incarnation
        ORDER BY i.class, i.key
      ) i,
      LATERAL (
        SELECT * FROM aries_workers w WHERE w.class = i.class AND w.key = i.key FOR UPDATE
      ) w
  ), raised AS (
    UPDATE aries_workers w
    SET epoch = w.epoch + 1, node = h.node, incarnation = h.incarnation, host = h.host
    FROM held h
    WHERE w.id = h.id AND h.current = h.epoch AND h.version <= coalesce(h.class_version, h.version)
      AND (
      h.handover
      OR (h.owner = h.node AND h.owner_incarnation = h.incarnation)
      OR NOT EXISTS (
        SELECT FROM aries_nodes o
        WHERE o.id = h.owner AND o.incarnation = h.owner_incarnation AND o.status = 'active'
      )
    )
    RETURNING h.item, w.epoch, w.seq
  ), made AS (
    INSERT INTO aries_workers (class, key, node, incarnation, host, epoch, seq)
    SELECT i.class, i.key, i.node, i.incarnation, i.host, 1, 0
    FROM item i
    JOIN claimer c ON c.id = i.node AND c.incarnation = i.incarnation
    WHERE i.epoch = 0
    ORDER BY i.class, i.key
    ON CONFLICT (class, key) DO NOTHING
    RETURNING class, key, epoch, seq
  )
  SELECT item, epoch, seq FROM raised
  UNION ALL
  SELECT i.item, m.epoch, m.seq FROM made m JOIN item i ON i.class = m.class AND i.key = m.key`,
}

/** What stands against the claims that were refused. */
const STANDING = `SELECT i.item, c.id IS NOT NULL AS claimer_active, o.*
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
      WITH ORDINALITY AS i (class, key, node, incarnation, item)
    LEFT JOIN aries_nodes c
      ON c.id = i.node AND c.incarnation = i.incarnation AND c.status = 'active'
    LEFT JOIN (${OWNER}) o ON o.class = i.class AND o.key = i.key`

/** Claims all; of several for one worker the first goes first. */
export async function claimAll(
  session: Session,
  requests: readonly ClaimRequest[],
): Promise<ClaimResult[]> {
  const results = new Map<ClaimRequest, ClaimResult>()
  let waiting = requests
  while (waiting.length > 0) {
    const round = new Map<string, ClaimRequest>()
    const next: ClaimRequest[] = []
    for (const request of waiting) {
      const name = formatWorkerId(request.id)
      if (round.has(name)) next.push(request)
      else round.set(name, request)
    }
    await claimRound(session, [...round.values()], results)
    waiting = next
  }
  return requests.map((request) => results.get(request)!)
}

/** Has the connection parse and plan the statement; nothing is claimed. */
export async function prepareClaim(client: PoolClient): Promise<void> {
  await client.query({ ...CLAIM, values: parameters([]) })
}

/** At most one claim for each worker. */
async function claimRound(
  session: Session,
  requests: readonly ClaimRequest[],
  results: Map<ClaimRequest, ClaimResult>,
): Promise<void> {
  const values = parameters(requests)
  const rows = await session.use(async (client, repeated) => {
    // Whose claim raised the epoch could not be told afterwards.
    if (repeated) throw new AriesError('ARIES_E_STORE', 'the connection was lost during a claim')
    return (await client.query<Row>({ ...CLAIM, values })).rows
  })
  for (const { item, epoch, seq } of rows) {
    const request = requests[Number(item) - 1]!
    results.set(request, { ok: true, epoch: Number(epoch), seq: Number(seq) })
  }
  const lost = requests.filter((request) => !results.has(request))
  if (lost.length > 0) await explain(session, lost, results)
}

function parameters(requests: readonly ClaimRequest[]): unknown[] {
  return [
    requests.map(({ id }) => id.class),
    requests.map(({ id }) => id.key),
    requests.map(({ fromEpoch }) => fromEpoch),
    requests.map(({ node }) => node),
    requests.map(({ incarnation }) => incarnation),
    requests.map(({ host }) => host),
    requests.map(({ mode }) => mode === 'handover'),
    requests.map(({ classVersion }) => classVersion ?? null),
  ]
}

async function explain(
  session: Session,
  requests: readonly ClaimRequest[],
  results: Map<ClaimRequest, ClaimResult>,
): Promise<void> {
  const rows = await session.query({ text: STANDING }, [
    requests.map(({ id }) => id.class),
    requests.map(({ id }) => id.key),
    requests.map(({ node }) => node),
    requests.map(({ incarnation }) => incarnation),
  ])
  for (const row of rows) {
    const request = requests[Number(row['item']) - 1]!
    const owner = row['class'] === null ? undefined : toOwner(row)
    // Where nothing stands against the claim any more, it lost against what has just gone.
    const reason = refusal(request, owner, row['claimer_active'] === true) ?? 'conflict'
    results.set(request, refused(reason, owner))
  }
}
