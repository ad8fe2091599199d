/** Writes what a worker answered. */

import { type AriesError, ERRORS } from '../errors.ts'
import type { ServerExchange } from '../http1/server-exchange.ts'
import { HEADER, isInnerHeader } from '../wire.ts'
import type { LeanParts } from '../worker/lean-response.ts'
import type { KeptReply } from './replies.ts'

/** Promise turns in which the end of a body that is whole in memory shows; a few more than it takes. */
const TICKS_TO_END = 8

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>

interface Head {
  readonly lines: string
  /** What the author says of the body's length; undefined where that may be of another coding. */
  readonly length: number | undefined
}

function headOf(headers: Iterable<readonly [string, string]>, node: string): Head {
  let lines = ''
  let length: number | undefined
  let coded = false
  for (const [name, value] of headers) {
    if (name === 'content-length') length = Number(value)
    else if (!isInnerHeader(name)) {
      if (name === 'content-encoding') coded = true
      lines += `${name}: ${value}\r\n`
    }
  }
  lines += `${HEADER.node}: ${node}\r\n`
  const known = !coded && length !== undefined && Number.isSafeInteger(length) && length >= 0
  return { lines, length: known ? length : undefined }
}

/** Sends a response that nobody has looked into. */
export function sendLean(http: ServerExchange, response: LeanParts, node: string): void {
  const { status, headers, contentType, body } = response
  if (headers) {
    const { lines, length } = headOf(headers, node)
    http.send(status, lines, bytesOf(body), lengthOfHead(http, length))
    return
  }
  const type = contentType === undefined ? '' : `content-type: ${contentType}\r\n`
  http.send(status, `${type}${HEADER.node}: ${node}\r\n`, bytesOf(body))
}

/** A text of ASCII is its own bytes. */
function bytesOf(text: string): string | Buffer {
  return Buffer.byteLength(text) === text.length ? text : Buffer.from(text)
}

/** Of an answer to HEAD without a body, what its author says is the length of the one to GET. */
function lengthOfHead(http: ServerExchange, length: number | undefined): number | undefined {
  return http.head.method === 'HEAD' ? length : undefined
}

/** Resolves when the response is handed to the connection. Rejects when its body fails. */
export async function sendResponse(
  http: ServerExchange,
  response: Response,
  node: string,
): Promise<void> {
  const { status, body } = response
  const { lines, length } = headOf(response.headers, node)
  if (body === null) {
    http.send(status, lines, '', lengthOfHead(http, length))
    return
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  const first = await reader.read()
  if (first.done) {
    http.send(status, lines)
    return
  }
  const second = reader.read()
  // Whole at once, the usual case: one write, with its length.
  if (await isEnd(second)) {
    http.send(status, lines, first.value)
    return
  }
  http.begin(status, lines, length)
  await stream(http, reader, first, second)
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
  http: ServerExchange,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Chunk,
  second: Promise<Chunk>,
): Promise<void> {
  let wake: (() => void) | undefined
  http.onDrain = () => wake?.()
  http.onGone = () => {
    reader.cancel().catch(() => undefined)
    wake?.()
  }
  if (http.over) http.onGone()
  for (let chunk = first, next = second; !chunk.done; chunk = await next, next = reader.read()) {
    if (http.over) return
    if (!http.write(chunk.value)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  http.end()
}

/** Answers with a kept reply; `replayed`: it was given before, and the client is told so. */
export function sendReply(
  http: ServerExchange,
  node: string,
  { status, headers, body }: KeptReply,
  replayed: boolean,
): void {
  const { lines, length } = headOf(headers, node)
  const told = replayed ? `idempotent-replayed: true\r\n${lines}` : lines
  http.send(status, told, body, lengthOfHead(http, length))
}

/** Answers with an error of the table; does nothing when an answer has begun. */
export function sendError(
  http: ServerExchange,
  node: string,
  error: AriesError,
  headers: Readonly<Record<string, string>> = {},
): void {
  const { status } = ERRORS[error.code]
  let lines = `content-type: application/json\r\n${HEADER.node}: ${node}\r\n`
  lines += `${HEADER.fault}: ${error.code}\r\n`
  if (status === 503) lines += 'retry-after: 1\r\n'
  for (const [name, value] of Object.entries(headers)) lines += `${name}: ${value}\r\n`
  http.send(status, lines, Buffer.from(JSON.stringify(error.toBody())))
}
