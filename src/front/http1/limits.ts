/** Limits of the engine that are not worth a line of configuration. */

/** Longest request target, in bytes; nginx and Apache take 8 KiB as well. */
export const TARGET_BYTES_MAX = 8_192
/** Header lines of one head, or of one trailer section; Envoy's default. */
export const FIELDS_MAX = 100
/** Longest method name. */
export const METHOD_BYTES_MAX = 32
/** Bytes of chunk extensions in one body: they are dropped, so nobody needs many. */
export const CHUNK_EXTENSION_BYTES_MAX = 4_096
/** Bytes of one trailer section. */
export const TRAILER_BYTES_MAX = 8_192
/** Input of a client that is kept while its previous request is still being answered. */
export const PIPELINE_BYTES_MAX = 65_536
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
/** How long a connection that was answered for the last time is still read, so that no reset overtakes the answer. */
export const LINGER_MS = 3_000
/** Idle time of a pooled connection whose target does not say `Keep-Alive: timeout`: below Node's 5 s. */
export const POOL_IDLE_MS = 4_000
/** Longest idle time of a pooled connection, whatever its target says. */
export const POOL_IDLE_MS_MAX = 60_000
/** A body piece up to this size is copied behind the head into one write; a larger one is not copied. */
export const COPY_BYTES_MAX = 4_096
