/** Writes what a worker answered. */

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AriesError, ERRORS } from '../errors.ts'
import { HEADER, isInnerHeader } from '../wire.ts'
import type { KeptReply } from './replies.ts'

/** Promise turns in which the end of a body that is whole in memory shows; a few more than it takes. */
const TICKS_TO_END = 8

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>

/** Resolves when the response is handed to the socket. Rejects when its body fails. */
export async function sendResponse(
  res: ServerResponse,
  response: Response,
  node: string,
): Promise<void> {
  const head: string[] = []
  for (const [name, value] of response.headers) {
    if (!isInnerHeader(name)) head.push(name, value)
  }
  head.push(HEADER.node, node)
  if (response.body === null) {
    res.writeHead(response.status, head).end()
    return
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  const first = await reader.read()
  if (first.done) {
    res.writeHead(response.status, head).end()
    return
  }
  const second = reader.read()
  if (await isEnd(second)) {
    // Whole at once, the usual case: one write, with its length.
    if (!response.headers.has('content-length')) {
      head.push('content-length', String(first.value.byteLength))
    }
    res.writeHead(response.status, head).end(first.value)
    return
  }
  res.writeHead(response.status, head)
  await stream(res, reader, first, second)
}

async function isEnd(reading: Promise<Chunk>): Promise<boolean> {
  let chunk: Chunk | undefined
  // A failure shows where `reading` itself is awaited.
  reading.then(
    (got) => (chunk = got),
    () => undefined,
  )
  for (let tick = 0; tick < TICKS_TO_END && chunk === undefined; tick++) {
    await Promise.resolve()
  }
  return chunk?.done === true
}

async function stream(
  res: ServerResponse,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Chunk,
  second: Promise<Chunk>,
): Promise<void> {
  const cancel = (): void => {
    reader.cancel().catch(() => undefined)
  }
  res.once('close', cancel)
  for (let chunk = first, next = second; !chunk.done; chunk = await next, next = reader.read()) {
    if (res.destroyed) return
    if (!res.write(chunk.value)) await Promise.race([once(res, 'drain'), once(res, 'close')])
  }
  res.off('close', cancel)
  res.end()
}

/** Answers with a kept reply; `replayed`: it was given before, and the client is told so. */
export function sendReply(
  res: ServerResponse,
  node: string,
  { status, headers, body }: KeptReply,
  replayed: boolean,
): void {
  if (res.headersSent || res.destroyed) return
  const head: string[] = []
  let hasLength = body.length === 0
  for (const [name, value] of headers) {
    if (name === 'content-length') hasLength = true
    head.push(name, value)
  }
  if (!hasLength) head.push('content-length', String(body.length))
  if (replayed) head.push('idempotent-replayed', 'true')
  head.push(HEADER.node, node)
  res.writeHead(status, head).end(body)
}

/** Answers with an error of the table; does nothing when an answer has begun. */
export function sendError(
  res: ServerResponse,
  node: string,
  error: AriesError,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (res.headersSent || res.destroyed) return
  const { status } = ERRORS[error.code]
  const body = Buffer.from(JSON.stringify(error.toBody()))
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    [HEADER.node]: node,
    [HEADER.fault]: error.code,
    ...(status === 503 ? { 'retry-after': '1' } : {}),
    ...headers,
  })
  res.end(body)
}
