import type { ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2'

/** Sends the head of a response: what its target wrote, without a date that it did not. */
export function respond(
  stream: ServerHttp2Stream,
  headers: string[],
  options?: ServerStreamResponseOptions,
): void {
  const all = { ...options, sendDate: false }
  stream.respond(headers, all)
}
