import { writeSync } from 'node:fs'
import type { ReadStream, WriteStream } from 'node:tty'
import type { ScreenSize } from './picture.ts'

/** The other screen of the terminal, without cursor and without wrapping; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J'
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l'
const SIZE: ScreenSize = { columns: 80, rows: 24 }

/** The terminal while a command has all of it. It is given back however the process ends. */
export class Screen {
  readonly #input: ReadStream
  readonly #output: WriteStream
  #drawn = ''
  #open = false

  constructor(components: { input: ReadStream; output: WriteStream }) {
    this.#input = components.input
    this.#output = components.output
  }

  get size(): ScreenSize {
    const { columns, rows } = this.#output
    return { columns: columns || SIZE.columns, rows: rows || SIZE.rows }
  }

  open(onKeys: (text: string) => void, onResize: () => void): void {
    this.#open = true
    process.once('exit', this.#close)
    this.#input.setRawMode(true)
    this.#input.setEncoding('utf8')
    this.#input.on('data', onKeys)
    this.#input.resume()
    this.#output.on('resize', () => {
      this.#drawn = ''
      onResize()
    })
    this.#output.write(ENTER)
  }

  /** Draws the lines over what is there. A terminal that is slower than that is left to catch up. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\u001b[K`).join('\r\n')
    if (!this.#open || text === this.#drawn || this.#output.writableNeedDrain) return
    this.#drawn = text
    this.#output.write(`\u001b[H${text}\u001b[J`)
  }

  close(): void {
    process.off('exit', this.#close)
    this.#close()
    this.#input.pause()
  }

  /** At once: the process may end now. */
  readonly #close = (): void => {
    if (!this.#open) return
    this.#open = false
    try {
      this.#input.setRawMode(false)
      writeSync(process.stdout.fd, LEAVE)
    } catch {
      // The terminal is gone.
    }
  }
}
