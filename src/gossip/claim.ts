import type { Place } from './member-table.ts'
import type { MemberMeta, MemberState } from './types.ts'

/** What somebody says of a member. Every claim is whole, so that one is enough to know a member. */
export interface Claim {
  readonly id: string
  readonly state: MemberState
  readonly boot: number
  readonly version: number
  readonly meta: MemberMeta
  /** Who could not reach it; only when `suspect`. */
  readonly accusers: readonly string[]
  /** Where it is: of a node that is not in the map, and has joined. */
  readonly place?: Place
}

/** Where a claim stands in the order of claims about one member. */
export type Standing = Pick<Claim, 'state' | 'boot' | 'version'>

const RANK: Readonly<Record<MemberState, number>> = {
  alive: 0,
  suspect: 1,
  unreachable: 2,
  left: 3,
}

/** More than any boot or version that an honest member comes to; a claim beyond is refused. */
export const VERSION_MAX = 2 ** 31
/** How far a boot may be ahead of our own clock. */
export const BOOT_AHEAD_MS_MAX = 86_400_000

export const NO_META: MemberMeta = {
  incarnation: 0,
  poolPort: 0,
  hostPorts: [],
  cordoned: false,
  draining: false,
}

/**
 * The one order of all claims about a member: by boot, then version, then how bad the news is.
 * Everybody keeps the greatest that it heard, so everybody comes to hold the same; only the member
 * itself can go beyond bad news, by raising its version.
 */
export function compareStandings(a: Standing, b: Standing): number {
  return a.boot - b.boot || a.version - b.version || RANK[a.state] - RANK[b.state]
}
