import { constants, type ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { Fields } from '../../http1/fields.ts'
import { respond } from './respond.ts'

const HEAD_END = '\r\n\r\n'
/** Of the handshake of HTTP/1.1, without meaning here. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'connection',
  'upgrade',
  'sec-websocket-accept',
  'keep-alive',
  'transfer-encoding',
])

/**
 * A stream that was opened by an extended CONNECT, as whoever ends WebSockets knows a socket: what is
 * written first is the answer to an upgrade in HTTP/1.1, and becomes the answer of HTTP/2.
 */
export class UpgradedStream extends Duplex {
  bytesRead = 0
  bytesWritten = 0
  readonly #stream: ServerHttp2Stream
  #head: string | undefined = ''

  constructor(stream: ServerHttp2Stream) {
    super()
    this.#stream = stream
    stream.on('data', (piece: Buffer) => {
      this.bytesRead += piece.length
      if (!this.push(piece)) stream.pause()
    })
    stream.on('end', () => this.push(null))
    stream.on('close', () => this.destroy())
    stream.on('error', () => this.destroy())
  }

  /** As of a socket: when everything is written. */
  destroySoon(): void {
    this.end(() => this.destroy())
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(piece: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytesWritten += piece.length
    const rest = this.#head === undefined ? piece : this.#answer(piece)
    if (rest === undefined || rest.length === 0) done()
    else if (this.#stream.destroyed) this.destroy()
    else this.#stream.write(rest, done)
  }

  override _final(done: () => void): void {
    if (this.#stream.destroyed) done()
    else this.#stream.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { writableFinished } = this.#stream
    this.#stream.close(writableFinished ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL)
    done(error)
  }

  /** Sends the head when it is complete; returns what comes behind it. */
  #answer(piece: Buffer): Buffer | undefined {
    const text = this.#head + piece.toString('latin1')
    const end = text.indexOf(HEAD_END)
    this.#head = end < 0 ? text : undefined
    if (end < 0 || this.#stream.destroyed) return undefined
    const status = text.slice(9, 12)
    const headers = [':status', status === '101' ? '200' : status]
    const fields = new Fields(text.slice(0, end + HEAD_END.length), text.indexOf('\r\n') + 2)
    for (let i = 0; i < fields.count; i++) {
      const name = fields.name(i).toLowerCase()
      if (!LEFT_OUT.has(name)) headers.push(name, fields.value(i))
    }
    respond(this.#stream, headers)
    return Buffer.from(text.slice(end + HEAD_END.length), 'latin1')
  }
}
