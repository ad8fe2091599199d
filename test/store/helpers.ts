/** Workers, turns and claims for the tests of the store. */
import type { WorkerId } from '../../src/identity.ts'
import type { ClaimRequest, CommitRecord, Store } from '../../src/store/store.ts'

export const LEASE_MS = 60_000
let names = 0

/** A name that no other test of the run has. */
export function unique(prefix: string): string {
  return `${prefix}-${process.pid}-${++names}`
}

export function worker(key = unique('key')): WorkerId {
  return { class: 'counter', key }
}

export function claimOf(
  id: WorkerId,
  fromEpoch: number,
  node: string,
  incarnation: number,
  mode: ClaimRequest['mode'] = 'takeover',
): ClaimRequest {
  return { id, fromEpoch, node, incarnation, host: 1, mode }
}

export function turn(
  id: WorkerId,
  epoch: number,
  seq: number,
  set: Record<string, string | Uint8Array> = {},
  remove: string[] = [],
): CommitRecord {
  const sections = Object.entries(set).map(([name, value]) => ({ name, value: Buffer.from(value) }))
  return { id, epoch, seq, set: sections, remove }
}

/** The state as the store has it, values as text. */
export async function stateOf(store: Store, id: WorkerId): Promise<Record<string, string>> {
  const loaded = await store.load(id)
  const sections = loaded?.sections ?? []
  return Object.fromEntries(
    sections.map(({ name, value }) => [name, Buffer.from(value).toString()]),
  )
}

/** A new node with a new worker of its own. */
export async function ownedWorker(store: Store): Promise<{
  node: string
  incarnation: number
  id: WorkerId
}> {
  const node = unique('node')
  const incarnation = await store.register(node, LEASE_MS)
  const id = worker()
  await store.claim(claimOf(id, 0, node, incarnation))
  return { node, incarnation, id }
}
