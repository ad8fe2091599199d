/** Limits of HTTP/2 that are not worth a line of configuration. */
import { constants } from 'node:http2'

export const END_STREAM = constants.NGHTTP2_FLAG_END_STREAM
/** PING and SETTINGS frames of one client in `CONTROL_WINDOW_MS`: far more than any needs. */
export const CONTROL_FRAMES_MAX = 200
export const CONTROL_WINDOW_MS = 10_000
