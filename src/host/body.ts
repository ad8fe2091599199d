import { AriesError } from '../errors.ts'
import type { BodySink, ServerExchange } from '../http1/server-exchange.ts'

/** Bodies that are being read or wait in mailboxes, all together. */
const HELD_BYTES_MAX = 512 * 1024 * 1024

/**
 * Reads request bodies whole before the worker's turn, so that a slow client holds up nobody's
 * turn, within a limit for each and one for all.
 */
export class RequestBodies {
  readonly #bytesMax: number
  readonly #held = new Map<ServerExchange, number>()
  #heldBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Rejects with `ARIES_E_BODY_TOO_LARGE`, `ARIES_E_OVERLOADED`, or when the sender goes away. */
  read(http: ServerExchange): Promise<Buffer> {
    if (http.head.contentLength > this.#bytesMax) return Promise.reject(this.#tooLarge())
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const sink: BodySink = {
        data: (piece) => {
          bytes += piece.length
          if (bytes > this.#bytesMax) reject(this.#tooLarge())
          else if (this.#heldBytes + piece.length > HELD_BYTES_MAX) reject(overloaded())
          else {
            chunks.push(piece)
            this.#hold(http, piece.length)
          }
        },
        end: () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
        cut: () => reject(new AriesError('ARIES_E_BAD_REQUEST', 'the body was cut off')),
      }
      http.receive(sink)
    })
  }

  /** The request is answered; until then it waits with its body. */
  release(http: ServerExchange): void {
    this.#heldBytes -= this.#held.get(http) ?? 0
    this.#held.delete(http)
  }

  #hold(http: ServerExchange, bytes: number): void {
    this.#held.set(http, (this.#held.get(http) ?? 0) + bytes)
    this.#heldBytes += bytes
  }

  #tooLarge(): AriesError {
    return new AriesError(
      'ARIES_E_BODY_TOO_LARGE',
      `a body may have ${this.#bytesMax} bytes (host.bodyBytesMax)`,
    )
  }
}

function overloaded(): AriesError {
  return new AriesError('ARIES_E_OVERLOADED', 'too many request bodies wait in this host')
}
