import { createHash } from 'node:crypto'
import type { ClusterMap } from '../config/schema.ts'
import { MAP_HASH_BYTES } from './header.ts'

/** The first 8 bytes, in hex, of the SHA-256 of the map's JSON with sorted keys. */
export function hashMap(map: ClusterMap): string {
  const canonical = JSON.stringify(map, (_key, value: unknown) => sorted(value))
  return createHash('sha256')
    .update(canonical)
    .digest('hex')
    .slice(0, 2 * MAP_HASH_BYTES)
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
