import type { IncomingMessage } from 'node:http'
import { AriesError } from './errors.ts'

/** The whole body as text. Throws `ARIES_E_BODY_TOO_LARGE`. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  return (await readBytes(request, bytesMax)).toString()
}

/** The whole body. Throws `ARIES_E_BODY_TOO_LARGE`. */
export function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  // By events: an iterator costs as much as all else that a small call does.
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
      else {
        const message = `a body of more than ${bytesMax} bytes`
        reject(new AriesError('ARIES_E_BODY_TOO_LARGE', message))
        request.destroy()
      }
    })
    const closed = (): void => {
      if (!request.readableEnded) {
        reject(new AriesError('ARIES_E_BAD_REQUEST', 'the body broke off'))
      }
    }
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
    request.once('close', closed)
    if (request.destroyed) closed()
  })
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
