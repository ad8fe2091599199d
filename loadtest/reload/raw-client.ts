/** HTTP clients that see every way in which a connection can fail, and cost little. */
import { connect, type Socket } from 'node:net'

/** How requests went. */
export interface Tally {
  ok: number
  /** Nobody listened. */
  refused: number
  /** The connection was cut while an answer was due. */
  reset: number
  /** Another status than 200, or no whole answer. */
  failed: number
  /** The first of what went wrong, to be shown. */
  readonly examples: string[]
}

const EXAMPLES_MAX = 5

export function emptyTally(): Tally {
  return { ok: 0, refused: 0, reset: 0, failed: 0, examples: [] }
}

/** One connection, one request at a time. A server may close it whenever no answer is due. */
export class RawClient {
  readonly #socket: Socket
  readonly #tally: Tally
  readonly #onIdle: (client: RawClient) => void
  #text = ''
  #due = false
  #isOver = false

  constructor(
    init: { readonly port: number; readonly host?: string },
    tally: Tally,
    onIdle: (client: RawClient) => void,
  ) {
    this.#tally = tally
    this.#onIdle = onIdle
    this.#socket = connect({ port: init.port, host: init.host ?? '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#read(text))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#lost(error.code ?? 'error'))
    this.#socket.on('end', () => this.#lost('end'))
    this.#socket.on('close', () => this.#lost('close'))
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isUsable(): boolean {
    return !this.#isOver && !this.#due
  }

  /** `last`: asks the server to close behind the answer. */
  get(path: string, last = false): void {
    this.#due = true
    const close = last ? 'Connection: close\r\n' : ''
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n${close}\r\n`)
  }

  destroy(): void {
    this.#isOver = true
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#text += text
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#text.slice(0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#text.length < end + 4 + length) return
    this.#due = false
    this.#text = ''
    if (head.startsWith('HTTP/1.1 200 ')) this.#tally.ok++
    else this.#bad('failed', head.slice(0, head.indexOf('\r')))
    if (/\r\nconnection: close/i.test(head)) {
      this.#isOver = true
      this.#socket.end()
    } else this.#onIdle(this)
  }

  #lost(how: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.destroy()
    if (how === 'ECONNREFUSED') this.#bad('refused', how)
    else if (this.#due) this.#bad(how === 'end' || how === 'close' ? 'failed' : 'reset', how)
  }

  #bad(kind: 'refused' | 'reset' | 'failed', what: string): void {
    this.#tally[kind]++
    if (this.#tally.examples.length < EXAMPLES_MAX) this.#tally.examples.push(`${kind}: ${what}`)
  }
}
