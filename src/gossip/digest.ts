import type { Entry, MemberTable } from './member-table.ts'

/** Members in one part of a digest, about: a part that differs is sent whole. */
const PART_MEMBERS = 4
export const DIGEST_PARTS_MAX = 255

/**
 * A short sum of a table: two who exchange it know which parts of their tables differ, and send no
 * others. Members fall into parts by their ids, so that different maps do not matter.
 */
export function digestOf(table: MemberTable, parts = partsFor(table.size)): number[] {
  const digest = Array.from({ length: parts }, () => 0)
  for (const entry of table.values()) {
    if (entry.boot === 0) continue
    const part = partOf(entry, parts)
    // Order does not matter, and nothing is twice in a table.
    digest[part] = (digest[part]! ^ sumOf(entry)) >>> 0
  }
  return digest
}

/** The members of `table` in the parts in which it differs from `theirs`. */
export function differing(table: MemberTable, theirs: readonly number[]): Entry[] {
  const parts = theirs.length
  const ours = digestOf(table, parts)
  const known = [...table.values()].filter(({ boot }) => boot > 0)
  return known.filter((entry) => {
    const part = partOf(entry, parts)
    return ours[part] !== theirs[part]
  })
}

/** True when the same is known of everybody in both. */
export function agrees(table: MemberTable, theirs: readonly number[]): boolean {
  return digestOf(table, theirs.length).every((sum, part) => sum === theirs[part])
}

function partsFor(members: number): number {
  return Math.min(DIGEST_PARTS_MAX, Math.max(1, Math.ceil(members / PART_MEMBERS)))
}

function partOf({ place }: Entry, parts: number): number {
  return hash(place.id, 0) % parts
}

function sumOf({ place, state, boot, version }: Entry): number {
  return hash(`${place.id} ${state} ${boot} ${version}`, 1)
}

/** FNV-1a with a finish (murmur3's): the sums only have to differ, nobody gains by making them equal. */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
