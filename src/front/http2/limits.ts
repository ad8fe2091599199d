/** Limits of HTTP/2 that are not worth a line of configuration. */
import { constants } from 'node:http2'

export const END_STREAM = constants.NGHTTP2_FLAG_END_STREAM
/** PING and SETTINGS frames of one client in `CONTROL_WINDOW_MS`: far more than any needs. */
export const CONTROL_FRAMES_MAX = 200
export const CONTROL_WINDOW_MS = 10_000
/** Connections to one target from one shard that does not say `connectionsMax`. */
export const TARGET_SESSIONS_MAX = 64
/** Streams of one connection to a target that allows more. */
export const TARGET_STREAMS_MAX = 1_000
/** Bytes of a response that its target may send ahead of what the client has taken. */
export const TARGET_WINDOW_BYTES = 262_144
/** Memory of one connection to a target, MB: the operator's own server. */
export const SESSION_MEMORY_MB = 256
/** Idle time of a connection to a target: a GOAWAY tells what it did not begin with. */
export const SESSION_IDLE_MS = 60_000
/** How long a target has to answer a ping when a request had no answer. */
export const PROBE_MS = 2_000
