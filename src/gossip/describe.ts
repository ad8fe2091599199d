import type { Board } from './board.ts'
import { type Entry, seenState } from './member-table.ts'
import type { Member } from './types.ts'

/** What the rest of Aries sees of a member. */
export function describe(entry: Entry, board: Board, nowMs: number): Member {
  const { place, boot, version, meta, refused, joined } = entry
  return {
    ...place,
    state: seenState(entry),
    boot,
    version,
    meta,
    ...(refused ? { refused } : {}),
    ...(joined ? { joined } : {}),
    load: board.load(place.id),
    loadAgeMs: board.ageMs(place.id, nowMs),
  }
}
