/** Reads what children append to their logs, and tells the warnings of it in short form. */
import { closeSync, openSync, readSync } from 'node:fs'
import { harmless } from '../output.ts'

const POLL_MS = 200
const CHUNK_BYTES = 64 * 1024
/** Of one log at a time: more is in the file. */
const LINES_MAX = 10
const LINE_CHARACTERS_MAX = 300

/** A line of pino, as far as it is what it should be. */
interface LogLine {
  readonly level?: string
  readonly msg?: string
  readonly component?: string
  /** Its name. */
  readonly worker?: unknown
  readonly err?: { readonly message?: string }
}

export class LogTail {
  readonly #file: string
  readonly #tell: (line: string) => void
  #offset = 0
  #rest = ''
  #timer: NodeJS.Timeout | undefined

  /** `tell` gets one short line for each warning or error, and for each line that is no log. */
  constructor(file: string, tell: (line: string) => void) {
    this.#file = file
    this.#tell = tell
  }

  start(): void {
    this.#timer = setInterval(() => this.read(), POLL_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Tells what came since the last time. */
  read(): void {
    const lines = this.#newLines()
      .map(shortLine)
      .filter((line) => line !== undefined)
    for (const line of lines.slice(0, LINES_MAX)) this.#tell(line)
    if (lines.length > LINES_MAX) this.#tell(`and ${lines.length - LINES_MAX} more`)
  }

  #newLines(): string[] {
    let fd: number
    try {
      fd = openSync(this.#file, 'r')
    } catch {
      return []
    }
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      const length = readSync(fd, buffer, 0, CHUNK_BYTES, this.#offset)
      this.#offset += length
      const lines = (this.#rest + buffer.toString('utf8', 0, length)).split('\n')
      this.#rest = lines.pop()!.slice(0, CHUNK_BYTES)
      return lines
    } finally {
      closeSync(fd)
    }
  }
}

/** Undefined for what need not be shown. */
export function shortLine(line: string): string | undefined {
  if (line.trim() === '') return undefined
  let log: LogLine
  try {
    log = JSON.parse(line) as LogLine
  } catch {
    return harmless(line).slice(0, LINE_CHARACTERS_MAX)
  }
  const level = log?.level ?? ''
  if (!['warn', 'error', 'fatal'].includes(level)) return undefined
  const component = log.component === undefined ? '' : `${log.component}: `
  const worker = typeof log.worker === 'string' ? `${log.worker}: ` : ''
  const why = log.err?.message === undefined ? '' : ` (${log.err.message})`
  return harmless(`${level}: ${component}${worker}${log.msg ?? ''}${why}`).slice(
    0,
    LINE_CHARACTERS_MAX,
  )
}
