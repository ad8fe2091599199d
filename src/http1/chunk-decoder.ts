import { AriesError } from '../errors.ts'
import { Fields } from './fields.ts'
import { CR, FIELD_VALUE, LF, OTHER } from './grammar.ts'
import { CHUNK_EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX } from './limits.ts'

const SIZE_FIRST = 0
const SIZE = 1
const EXTENSION = 2
const SIZE_LF = 3
const DATA = 4
const DATA_CR = 5
const DATA_LF = 6
const TRAILER_LINE = 7
const TRAILER = 8
const TRAILER_LF = 9
const END_LF = 10
const END = 11

/** Leading zeros count, so that a size has no endless spelling. 13 digits stay below 2^53. */
const SIZE_DIGITS_MAX = 13

/** Fields that change framing, routing or access: never taken from a trailer (RFC 9110 §6.5.1). */
const FORBIDDEN_TRAILERS = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'set-cookie',
  'trailer',
])

function bad(why: string): AriesError {
  return new AriesError('ARIES_E_BAD_REQUEST', why)
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Takes the chunked coding off a body (RFC 9112 §7.1), strictly: sizes are bare hex digits, every line ends with CR LF. */
export class ChunkDecoder {
  #state = SIZE_FIRST
  #size = 0
  #digits = 0
  #extensionBytes = 0
  #trailer = ''
  #trailerBytes = 0

  /** Trailer lines that may be passed on, each with its CR LF. Filled at the end. */
  trailers = ''

  get ended(): boolean {
    return this.#state === END
  }

  reset(): void {
    this.#state = SIZE_FIRST
    this.#size = 0
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailer = ''
    this.#trailerBytes = 0
    this.trailers = ''
  }

  /**
   * Decodes `buffer` from `at` and hands each piece of data to `data`; returns the offset behind
   * what it took, less than the length only when the body ended. Throws `ARIES_E_BAD_REQUEST`.
   */
  decode(buffer: Buffer, at: number, data: (piece: Buffer) => void): number {
    while (at < buffer.length && this.#state !== END) {
      if (this.#state === DATA) {
        const end = Math.min(buffer.length, at + this.#size)
        this.#size -= end - at
        if (this.#size === 0) this.#state = DATA_CR
        data(buffer.subarray(at, end))
        at = end
      } else {
        this.#step(buffer[at]!)
        at++
      }
    }
    return at
  }

  #step(byte: number): void {
    switch (this.#state) {
      case SIZE_FIRST:
      case SIZE:
        this.#sizeByte(byte)
        return
      case EXTENSION:
        if (byte === CR) this.#state = SIZE_LF
        else if (FIELD_VALUE[byte] !== 1) throw bad('bad byte in a chunk extension')
        else if (++this.#extensionBytes > CHUNK_EXTENSION_BYTES_MAX) {
          throw bad('too many chunk extensions')
        }
        return
      case SIZE_LF:
        if (byte !== LF) throw bad('a chunk size does not end with CR LF')
        this.#state = this.#size === 0 ? TRAILER_LINE : DATA
        return
      case DATA_CR:
        if (byte !== CR) throw bad('chunk data does not end with CR LF')
        this.#state = DATA_LF
        return
      case DATA_LF:
        if (byte !== LF) throw bad('chunk data does not end with CR LF')
        this.#state = SIZE_FIRST
        return
      default:
        this.#trailerByte(byte)
        return
    }
  }

  #sizeByte(byte: number): void {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      if (this.#state === SIZE_FIRST) {
        this.#state = SIZE
        this.#size = 0
        this.#digits = 0
      }
      if (++this.#digits > SIZE_DIGITS_MAX) throw bad('a chunk size has too many digits')
      this.#size = this.#size * 16 + digit
    } else if (this.#state === SIZE && byte === CR) this.#state = SIZE_LF
    else if (this.#state === SIZE && byte === 0x3b) this.#state = EXTENSION
    else throw bad('bad chunk size')
  }

  #trailerByte(byte: number): void {
    switch (this.#state) {
      case TRAILER_LINE:
        if (byte === CR) this.#state = END_LF
        else this.#addTrailerByte(byte)
        return
      case TRAILER:
        if (byte === CR) this.#state = TRAILER_LF
        else this.#addTrailerByte(byte)
        return
      case TRAILER_LF:
        if (byte !== LF) throw bad('a trailer line does not end with CR LF')
        this.#trailer += '\r\n'
        this.#state = TRAILER_LINE
        return
      default:
        if (byte !== LF) throw bad('a trailer section does not end with CR LF')
        this.#state = END
        if (this.#trailer !== '') this.trailers = passableTrailers(`${this.#trailer}\r\n`)
    }
  }

  #addTrailerByte(byte: number): void {
    if (FIELD_VALUE[byte] !== 1) throw bad('bad byte in a trailer')
    if (++this.#trailerBytes > TRAILER_BYTES_MAX) throw bad('the trailer section is too large')
    this.#trailer += String.fromCharCode(byte)
    this.#state = TRAILER
  }
}

/** Of trailer lines with an empty one at their end, those that may be passed on. Throws `ARIES_E_BAD_REQUEST`. */
export function passableTrailers(text: string): string {
  const fields = new Fields(text, 0)
  let out = ''
  for (let i = 0; i < fields.count; i++) {
    if (fields.kind(i) !== OTHER || FORBIDDEN_TRAILERS.has(fields.name(i).toLowerCase())) continue
    out += `${fields.name(i)}: ${fields.value(i)}\r\n`
  }
  return out
}
