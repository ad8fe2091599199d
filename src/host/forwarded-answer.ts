import { Writable } from 'node:stream'
import type { ServerExchange } from '../http1/server-exchange.ts'

/** The body of an answer that another host gives, as the stream that undici writes to. */
export class ForwardedAnswer extends Writable {
  readonly #http: ServerExchange
  #written: (() => void) | undefined

  constructor(http: ServerExchange) {
    super()
    this.#http = http
    http.onDrain = () => {
      const written = this.#written
      this.#written = undefined
      written?.()
    }
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, written: () => void): void {
    if (this.#http.write(piece)) written()
    else this.#written = written
  }

  override _final(done: () => void): void {
    this.#http.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error) this.#http.destroy()
    done(error)
  }
}
