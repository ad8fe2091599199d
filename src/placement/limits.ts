/** What bounds the moves of a node, in production and in the simulator alike. */

/** Moves that one round may begin, over all peers. */
export const MOVES_MAX = 64
/** Idle workers weighed in a round: as many as can be of use, other ones each time. */
export const IDLE_MAX = 4 * MOVES_MAX
/** Moves that one round may begin when memory runs out. */
export const USHERED_MAX = 1_024
/** A worker that came this recently stays: it would be moved on old news. */
export const RESIDENCY_MS_MIN = 3_000
/** Part of the memory from which on workers are ushered out, and to which. */
export const USHER = { above: 0.9, below: 0.8 }
/** Memory in use, as a part of the most, above which no worker is let in. */
export const MEMORY_FULL = 0.95
