import type { Member } from './types.ts'

export interface Quorum {
  /** Nodes of the map that are there, this one included. */
  readonly seen: number
  /** Nodes that count: without those that left, or whose process is proved to be gone. */
  readonly of: number
}

/**
 * How many of the map's nodes a member sees. The denominator is the map, never what was observed:
 * a partition cannot shrink it. Only proof can: a process that is gone owns nothing elsewhere.
 */
export function quorumOf(members: readonly Member[]): Quorum {
  const counted = members.filter(
    ({ role, state, refused, joined }) =>
      role === 'node' && !joined && state !== 'left' && refused !== true,
  )
  const seen = counted.filter(({ state }) => state === 'alive' || state === 'suspect').length
  return { seen, of: counted.length }
}

/** Fewer than half: another part of the cluster may be going on without us. */
export function isMinority({ seen, of }: Quorum): boolean {
  return 2 * seen < of
}
