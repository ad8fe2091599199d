import type { IncomingMessage } from 'node:http'
import { AriesError } from './errors.ts'

/** The whole body as text. Throws `ARIES_E_BODY_TOO_LARGE`. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  return (await readBytes(request, bytesMax)).toString()
}

/** The whole body. Throws `ARIES_E_BODY_TOO_LARGE`. */
export async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      throw new AriesError('ARIES_E_BODY_TOO_LARGE', `a body of more than ${bytesMax} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The JSON object that `text` holds. Throws `ARIES_E_BAD_REQUEST` on anything else. */
export function parseJsonObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Falls through: the caller hears the same of everything that is no JSON object.
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', 'the body is not a JSON object')
}
