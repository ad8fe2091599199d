/**
 * The header lines of a head, kept as offsets into its text: nothing is copied until somebody asks
 * for a value, and lines that pass unchanged are copied in runs.
 */
import { AriesError } from '../errors.ts'
import {
  ADDED,
  COLON,
  CONNECTION,
  CR,
  FIELD_VALUE,
  fieldKind,
  HTAB,
  hasAt,
  isToken,
  LF,
  OTHER,
  REMOVED,
  SP,
  TOKEN,
} from './grammar.ts'
import { FIELDS_MAX } from './limits.ts'

/** Numbers per line: kind, start of the name, its end, start of the value, its end. */
const STRIDE = 5

export class Fields {
  text: string
  readonly #offsets: number[] = []
  /** Offset behind the last header line, where the empty line begins. */
  end: number
  count = 0

  /**
   * Scans the lines of `text` from `at` to the empty line at its end. Throws `ARIES_E_BAD_REQUEST`,
   * or `ARIES_E_HEAD_TOO_LARGE` for more than `countMax` lines.
   */
  constructor(text: string, at: number, countMax = FIELDS_MAX) {
    this.text = text
    this.end = text.length - 2
    const offsets = this.#offsets
    while (at < this.end) {
      if (++this.count > countMax) {
        throw new AriesError(
          'ARIES_E_HEAD_TOO_LARGE',
          `more than ${countMax} header lines (a fixed limit)`,
        )
      }
      const nameStart = at
      while (TOKEN[text.charCodeAt(at)] === 1) at++
      if (at === nameStart || text.charCodeAt(at) !== COLON) throw badLine(text, at)
      const nameEnd = at++
      while (isSpace(text.charCodeAt(at))) at++
      const valueStart = at
      while (FIELD_VALUE[text.charCodeAt(at)] === 1) at++
      if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) throw badLine(text, at)
      let valueEnd = at
      while (valueEnd > valueStart && isSpace(text.charCodeAt(valueEnd - 1))) valueEnd--
      offsets.push(fieldKind(text, nameStart, nameEnd), nameStart, nameEnd, valueStart, valueEnd)
      at += 2
    }
  }

  kind(index: number): number {
    return this.#offsets[index * STRIDE]!
  }

  /** Start of the line; the line ends where the next one starts. */
  start(index: number): number {
    return index < this.count ? this.#offsets[index * STRIDE + 1]! : this.end
  }

  name(index: number): string {
    return this.text.slice(this.#offsets[index * STRIDE + 1]!, this.#offsets[index * STRIDE + 2]!)
  }

  value(index: number): string {
    return this.text.slice(this.#offsets[index * STRIDE + 3]!, this.#offsets[index * STRIDE + 4]!)
  }

  /** First value of `name` (small letters). */
  get(name: string): string | undefined {
    for (let i = 0; i < this.count; i++) {
      const start = this.#offsets[i * STRIDE + 1]!
      if (this.#offsets[i * STRIDE + 2]! - start === name.length && hasAt(this.text, start, name)) {
        return this.value(i)
      }
    }
    return undefined
  }

  /** All values of `name` (small letters) as one list; undefined when there is none. */
  list(name: string): string | undefined {
    let list: string | undefined
    for (let i = 0; i < this.count; i++) {
      const start = this.#offsets[i * STRIDE + 1]!
      if (this.#offsets[i * STRIDE + 2]! - start !== name.length) continue
      if (!hasAt(this.text, start, name)) continue
      list = list === undefined ? this.value(i) : `${list}, ${this.value(i)}`
    }
    return list
  }

  /** Names, as sent, and values in turn. */
  flat(): string[] {
    const flat: string[] = []
    for (let i = 0; i < this.count; i++) flat.push(this.name(i), this.value(i))
    return flat
  }

  pairs(): [string, string][] {
    const pairs: [string, string][] = []
    for (let i = 0; i < this.count; i++) {
      if (this.kind(i) !== REMOVED) pairs.push([this.name(i), this.value(i)])
    }
    return pairs
  }

  /** Adds a line behind the others. Both must be what a head may have: checked before. */
  add(name: string, value: string): void {
    const nameEnd = this.end + name.length
    this.#offsets.push(ADDED, this.end, nameEnd, nameEnd + 2, nameEnd + 2 + value.length)
    const line = `${name}: ${value}\r\n`
    this.text = `${this.text.slice(0, this.end)}${line}\r\n`
    this.end += line.length
    this.count++
  }

  /** Removes every line of `name` (small letters): nobody finds or copies it any more. */
  remove(name: string): void {
    for (let i = 0; i < this.count; i++) {
      const start = this.#offsets[i * STRIDE + 1]!
      const length = this.#offsets[i * STRIDE + 2]! - start
      if (length !== name.length || !hasAt(this.text, start, name)) continue
      this.#offsets[i * STRIDE] = REMOVED
      this.#offsets[i * STRIDE + 2] = start
    }
  }

  /** The lines whose kind `keep` marks with 1, unchanged, without what `Connection` names. */
  copy(keep: Uint8Array, nominated: readonly string[]): string {
    let out = ''
    let runStart = -1
    for (let i = 0; i < this.count; i++) {
      const kind = this.#offsets[i * STRIDE]!
      if (
        keep[kind] === 1 &&
        !(nominated.length > 0 && kind === OTHER && this.#isOneOf(i, nominated))
      ) {
        if (runStart < 0) runStart = this.#offsets[i * STRIDE + 1]!
      } else if (runStart >= 0) {
        out += this.text.slice(runStart, this.#offsets[i * STRIDE + 1]!)
        runStart = -1
      }
    }
    return runStart < 0 ? out : out + this.text.slice(runStart, this.end)
  }

  /** As `copy`, in the form of HTTP/2: names in small letters and values by turns, added to `out`. */
  pairsInto(out: string[], keep: Uint8Array, nominated: readonly string[]): void {
    for (let i = 0; i < this.count; i++) {
      const kind = this.#offsets[i * STRIDE]!
      if (keep[kind] !== 1 || (kind === OTHER && this.#isOneOf(i, nominated))) continue
      out.push(this.name(i).toLowerCase(), this.value(i))
    }
  }

  #isOneOf(index: number, names: readonly string[]): boolean {
    const start = this.#offsets[index * STRIDE + 1]!
    const length = this.#offsets[index * STRIDE + 2]! - start
    return names.some((name) => name.length === length && hasAt(this.text, start, name))
  }
}

/** What the `Connection` lines of a head say. */
export interface ConnectionOptions {
  close: boolean
  keepAlive: boolean
  upgrade: boolean
  /** Other names in small letters: header lines that end at this hop. */
  readonly nominated: readonly string[]
}

const NOMINATED_NONE: readonly string[] = []

/** Reads all `Connection` lines. Throws `ARIES_E_BAD_REQUEST` when one is not a list of tokens. */
export function connectionOptions(fields: Fields): ConnectionOptions {
  const options = {
    close: false,
    keepAlive: false,
    upgrade: false,
    nominated: NOMINATED_NONE,
  }
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== CONNECTION) continue
    for (const part of fields.value(i).toLowerCase().split(',')) {
      const token = part.trim()
      if (token === '') continue
      if (token === 'close') options.close = true
      else if (token === 'keep-alive') options.keepAlive = true
      else if (token === 'upgrade') options.upgrade = true
      else if (isToken(token)) options.nominated = [...options.nominated, token]
      else throw new AriesError('ARIES_E_BAD_REQUEST', 'Connection is not a list of tokens')
    }
  }
  return options
}

/** The number of a `Content-Length` value, or -1 when it is not exactly one decimal number. */
export function parseLength(value: string): number {
  if (value.length === 0 || value.length > 15) return -1
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}

function isSpace(code: number): boolean {
  return code === SP || code === HTAB
}

function badLine(text: string, at: number): AriesError {
  const code = text.charCodeAt(at).toString(16).padStart(2, '0')
  return new AriesError('ARIES_E_BAD_REQUEST', `byte 0x${code} at ${at} of the head is not allowed`)
}
