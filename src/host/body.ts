import type { IncomingMessage, ServerResponse } from 'node:http'
import { AriesError } from '../errors.ts'

/** Bodies that are being read or wait in mailboxes, all together. */
const HELD_BYTES_MAX = 512 * 1024 * 1024

/**
 * Reads request bodies whole before the worker's turn, so that a slow client holds up nobody's
 * turn, within a limit for each and one for all.
 */
export class BodyReader {
  readonly #bytesMax: number
  #held = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  static expected(req: IncomingMessage): boolean {
    const { headers } = req
    if (headers['transfer-encoding'] !== undefined) return true
    return headers['content-length'] !== undefined && headers['content-length'] !== '0'
  }

  /** Rejects with `ARIES_E_BODY_TOO_LARGE`, `ARIES_E_OVERLOADED`, or when the sender goes away. */
  read(req: IncomingMessage, res: ServerResponse): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const declared = Number(req.headers['content-length'] ?? 0)
      if (declared > this.#bytesMax) return reject(tooLarge(this.#bytesMax))
      const chunks: Buffer[] = []
      let bytes = 0
      const fail = (error: AriesError): void => {
        req.off('data', onData)
        req.resume()
        reject(error)
      }
      const onData = (chunk: Buffer): void => {
        bytes += chunk.length
        this.#held += chunk.length
        chunks.push(chunk)
        if (bytes > this.#bytesMax) fail(tooLarge(this.#bytesMax))
        else if (this.#held > HELD_BYTES_MAX) fail(overloaded())
      }
      req.on('data', onData)
      req.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
      // Until it is answered, the request waits with its body.
      res.once('close', () => {
        this.#held -= bytes
      })
      req.once('close', () => {
        if (!req.complete) reject(new AriesError('ARIES_E_BAD_REQUEST', 'the body was cut off'))
      })
    })
  }
}

function tooLarge(bytesMax: number): AriesError {
  return new AriesError(
    'ARIES_E_BODY_TOO_LARGE',
    `a body may have ${bytesMax} bytes (host.bodyBytesMax)`,
  )
}

function overloaded(): AriesError {
  return new AriesError('ARIES_E_OVERLOADED', 'too many request bodies wait in this host')
}
