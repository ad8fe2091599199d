/** What must hold of a map, alone and against the one in force before. */
import { isLoopback, isWildcard } from './address.ts'
import { frontListens, type Listen, nodeListens } from './listens.ts'
import type { KeyPath, Located, Problems } from './problems.ts'
import { frontEntrySchema, nodeEntrySchema } from './schema/map.ts'
import type { ClusterMap } from './schema.ts'

interface Entry {
  readonly id: string
  readonly host: string
  readonly path: KeyPath
}

export interface CheckedMap {
  readonly listens: readonly Listen[]
  /** The hosts, when they are not all of one machine. */
  readonly machines: readonly string[]
  /** A host that other machines can reach. */
  readonly exposed: string | undefined
}

/**
 * Checks those entries of `data` (a map that may be wrong elsewhere) that have the right shape.
 * Each member's id and ports are its own, and each can reach each other.
 */
export function checkMap(data: unknown, document: Located, problems: Problems): CheckedMap {
  const listens: Listen[] = []
  const entries: Entry[] = []
  for (const [path, value] of items(data, 'nodes')) {
    const node = nodeEntrySchema.safeParse(value).data
    if (node === undefined) continue
    entries.push({ id: node.id, host: node.host, path })
    listens.push(...nodeListens(node, document.file, path))
  }
  for (const [path, value] of items(data, 'fronts')) {
    const front = frontEntrySchema.safeParse(value).data
    if (front === undefined) continue
    entries.push({ id: front.id, host: front.host, path })
    listens.push(...frontListens(front, document.file, path))
  }
  checkIds(entries, document, problems)
  checkHosts(entries, document, problems)
  const hosts = new Set(entries.map(({ host }) => (isLoopback(host) ? 'loopback' : host)))
  return {
    listens,
    machines: hosts.size > 1 ? [...hosts] : [],
    exposed: entries.find(({ host }) => !isLoopback(host))?.host,
  }
}

function checkIds(entries: readonly Entry[], document: Located, problems: Problems): void {
  const seen = new Map<string, KeyPath>()
  for (const { id, path } of entries) {
    if (seen.has(id)) {
      problems.add(document, [...path, 'id'], `another member is already called ${id}`)
    }
    seen.set(id, path)
  }
}

function checkHosts(entries: readonly Entry[], document: Located, problems: Problems): void {
  const remote = entries.find(({ host }) => !isLoopback(host) && !isWildcard(host))
  for (const { host, path } of entries) {
    if (isWildcard(host)) {
      const words = `no member can reach another at ${host}; write the address of the machine`
      problems.add(document, [...path, 'host'], words)
    } else if (remote !== undefined && isLoopback(host)) {
      const words = `${host} cannot be reached from the machine of ${remote.id} (${remote.host})`
      problems.add(document, [...path, 'host'], words)
    }
  }
}

/**
 * Why `after` must not follow `before` while the cluster runs; undefined when it may. A map with
 * the same epoch and another content would leave two members with two truths under one number.
 */
export function mapRefusal(before: ClusterMap, after: ClusterMap): string | undefined {
  if (after.cluster !== before.cluster) {
    return `the name of a running cluster cannot change (it is ${before.cluster})`
  }
  if (after.epoch < before.epoch) {
    return `epoch ${after.epoch} is older than ${before.epoch}, which is in force; raise it to ${before.epoch + 1}`
  }
  if (after.epoch === before.epoch && JSON.stringify(after) !== JSON.stringify(before)) {
    return `the map has changed but its epoch is still ${before.epoch}; raise it to ${before.epoch + 1}`
  }
  return undefined
}

/** Two maps with one epoch: what an operator should know of it. */
export function otherMapNote(others: readonly string[], { epoch }: ClusterMap): string {
  return `another map under epoch ${epoch} is held by ${others.join(', ')}: give all members one file, with a higher epoch`
}

/** The list under `key` with the path of each item; nothing when there is no list. */
export function items(data: unknown, key: string): [KeyPath, unknown][] {
  const list = (data as Record<string, unknown> | null | undefined)?.[key]
  return Array.isArray(list) ? list.map((value, index) => [[key, index], value]) : []
}
