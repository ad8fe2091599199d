/** Limits of the engine that are not worth a line of configuration. */

/** Connections to one target from one shard; Envoy's default. Tunnels are not counted. */
export const TARGET_CONNECTIONS_MAX = 1_024
/** Attempts for one request: more than the pauses between them leave time for. */
export const ATTEMPTS_MAX = 32
/** Targets at which the connection may be lost while they have the request. */
export const LOST_TARGETS_MAX = 2
/** Attempts that may end so: one target may lose a kept connection and a new one as it ends. */
export const LOST_ATTEMPTS_MAX = 3
/**
 * How long a request that is not safe to repeat still waits for its answer when gossip has found its
 * target dead: gossip may be wrong, and the answer is worth more than not knowing.
 */
export const DOWN_GRACE_MS = 2_000
/** Interim (1xx) responses that are passed on for one attempt. */
export const INTERIM_MAX = 16
/** Largest body of a refused attempt that is read to its end to keep the connection. */
export const DISCARD_BYTES_MAX = 65_536
/** Idle time of a pooled connection whose target does not say `Keep-Alive: timeout`: below Node's 5 s. */
export const POOL_IDLE_MS = 4_000
/** Longest idle time of a pooled connection, whatever its target says. */
export const POOL_IDLE_MS_MAX = 60_000
