import { open, stat } from 'node:fs/promises'
import { pino } from 'pino'
import { STDOUT } from '../config/schema/front.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'

/** Lines wait for so many bytes, or so long, and are written together. */
const FLUSH = { bytes: 4_096, intervalMs: 500 }
/** A disk that does not keep up costs lines, not memory. */
const WAITING_BYTES_MAX = 8 * 1_024 * 1_024
/** How soon a file that was moved away (logrotate) is made anew. */
const ROTATION_CHECK_MS = 1_000
/** Between two warnings that lines were lost. */
const WARNING_MS = 60_000

/** The file that lines go to, in the background. It may be moved away at any time: it is made anew. */
export class AccessFile {
  readonly #log: Logger
  readonly #file: string
  readonly #destination: ReturnType<typeof pino.destination>
  #rotation: NodeJS.Timeout | undefined
  #inode: number | undefined
  #warnedMs = Number.NEGATIVE_INFINITY

  constructor(components: { log: Logger }, file: string) {
    this.#log = components.log
    this.#file = file
    this.#destination = pino.destination({
      dest: file === STDOUT ? 1 : file,
      sync: false,
      append: true,
      minLength: FLUSH.bytes,
      periodicFlush: FLUSH.intervalMs,
      maxLength: WAITING_BYTES_MAX,
    })
    this.#destination.on('error', (error: Error) => this.#warn(error.message))
    this.#destination.on('drop', () => this.#warn('the disk does not keep up'))
    if (file === STDOUT) return
    this.#destination.on('ready', () => void this.#remember())
    this.#rotation = setInterval(() => void this.#followRotation(), ROTATION_CHECK_MS).unref()
  }

  /** A line, or several, with their ends. */
  write(lines: string): void {
    this.#destination.write(lines)
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    clearInterval(this.#rotation)
    const destination = this.#destination
    await new Promise<void>((resolve) => {
      destination.once('close', resolve).once('error', () => resolve())
      destination.end()
    })
  }

  async #remember(): Promise<void> {
    this.#inode = await inodeOf(this.#file)
  }

  async #followRotation(): Promise<void> {
    if (this.#inode === undefined || (await inodeOf(this.#file)) === this.#inode) return
    this.#inode = undefined
    this.#destination.reopen()
  }

  #warn(why: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#warnedMs < WARNING_MS) return
    this.#warnedMs = nowMs
    this.#log.warn({ file: this.#file, why }, 'lines of the access log are lost')
  }
}

/** Throws `ARIES_E_CONFIG` when nothing can be written there. */
export async function checkAccessFile(file: string): Promise<void> {
  if (file === STDOUT) return
  try {
    await (await open(file, 'a')).close()
  } catch (cause) {
    const why = (cause as Error).message
    throw new AriesError('ARIES_E_CONFIG', `accessLog.file cannot be written: ${why}`, { cause })
  }
}

/** Undefined when there is no such file. */
async function inodeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).ino
  } catch {
    return undefined
  }
}
