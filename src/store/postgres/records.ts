import type { NodeRecord, NodeStatus, OwnerRecord } from '../store.ts'
import type { Row } from './session.ts'

/** Columns of an `OwnerRecord`, of `aries_workers w`. */
export const OWNER = `SELECT w.class, w.key, w.node, w.incarnation, w.host, w.epoch, w.seq,
    w.version,
    n.id IS NOT NULL AS active
  FROM aries_workers w LEFT JOIN aries_nodes n
    ON n.id = w.node AND n.incarnation = w.incarnation AND n.status = 'active'`

export function toOwner(row: Row): OwnerRecord {
  return {
    id: { class: String(row['class']), key: String(row['key']) },
    node: String(row['node']),
    incarnation: Number(row['incarnation']),
    host: Number(row['host']),
    epoch: Number(row['epoch']),
    seq: Number(row['seq']),
    version: Number(row['version']),
    ownerActive: row['active'] === true,
  }
}

export function toNode(row: Row): NodeRecord {
  return {
    id: String(row['id']),
    incarnation: Number(row['incarnation']),
    status: row['status'] as NodeStatus,
    leaseUntilMs: Number(row['lease_until_ms']),
  }
}
