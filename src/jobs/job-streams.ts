import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AriesError } from '../errors.ts'
import type { Jobs } from './jobs.ts'

export const OUTPUT_TYPE = 'application/x-aries-output'
export const INPUT_TYPE = 'application/octet-stream'

const OUTPUT = /^\/output\/([a-z0-9]{1,32})\?from=(\d{1,15})(&follow=true)?$/
const INPUT = /^\/input\/([a-z0-9]{1,32})$/

/**
 * `GET /output/<job>?from=<byte>[&follow=true]` and `POST /input/<job>` on the data port of the node
 * that runs the job. False when the request is for neither.
 */
export async function serveJobStream(
  jobs: Jobs,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const { url = '', method } = request
  const [, output, from, follow] = (method === 'GET' && OUTPUT.exec(url)) || []
  if (output !== undefined) {
    const frames = Readable.from(jobs.output(output, Number(from), follow !== undefined))
    response.writeHead(200, { 'content-type': OUTPUT_TYPE })
    response.flushHeaders()
    await untilGone(pipeline(frames, response))
    return true
  }
  const [, input] = (method === 'POST' && INPUT.exec(url)) || []
  if (input === undefined) return false
  await jobs.input(input, request)
  // What was sent and not taken would stand before the next request.
  const connection = request.complete ? 'keep-alive' : 'close'
  response.writeHead(200, { 'content-type': 'application/json', connection })
  response.end('{}')
  return true
}

/** Who reads along may leave at any time. */
export async function untilGone(streaming: Promise<void>): Promise<void> {
  try {
    await streaming
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  }
}

/** Query of `/api/jobs/{id}/output`. Throws `ARIES_E_BAD_REQUEST`. */
export function outputQuery(query: URLSearchParams): string {
  const from = query.get('from') ?? '0'
  const follow = query.get('follow') ?? 'false'
  if (/^\d{1,15}$/.test(from) && /^(true|false)$/.test(follow)) {
    return `?from=${Number(from)}${follow === 'true' ? '&follow=true' : ''}`
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', 'from is a count of bytes, follow is true or false')
}
