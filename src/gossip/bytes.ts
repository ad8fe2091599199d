import { isClassName } from '../identity.ts'

/** Thrown by `Reader` alone, and caught by the decoders alone. */
class Malformed extends Error {}

export function isMalformed(thrown: unknown): boolean {
  return thrown instanceof Malformed
}

const ID_BYTES_MAX = 32
const NAME_BYTES_MAX = 63
const VARINT_BYTES_MAX = 8
const ADDRESS_BYTES_MAX = 45
const ADDRESS = /^[0-9a-f:.]{2,45}$/

/** Texts that were read last, by a hash of their bytes: the same few come in every packet. */
const TEXTS = 1_024
const texts: { bytes: Uint8Array; text: string }[] = Array.from({ length: TEXTS }, () => ({
  bytes: new Uint8Array(0),
  text: '',
}))

/** Reads fields off untrusted bytes; throws on anything short, long or out of range. */
export class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  get at(): number {
    return this.#at
  }

  u8(): number {
    if (this.#at >= this.#bytes.length) throw new Malformed()
    return this.#bytes[this.#at++]!
  }

  u16(): number {
    const at = this.#take(2)
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!
  }

  u32(): number {
    return this.u16() * 2 ** 16 + this.u16()
  }

  u48(): number {
    return this.u16() * 2 ** 32 + this.u32()
  }

  /** Base 128, least group first; at most 2^53 − 1. */
  varint(): number {
    const first = this.u8()
    if (first < 0x80) return first
    let value = first & 0x7f
    let scale = 128
    for (let i = 1; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new Malformed()
        return value
      }
      scale *= 128
    }
    throw new Malformed()
  }

  /** An id as the map has it: a small letter, then small letters, digits or hyphens. */
  id(): string {
    const length = this.u8()
    if (length === 0 || length > ID_BYTES_MAX) throw new Malformed()
    const start = this.#take(length)
    for (let i = start; i < start + length; i++) {
      const code = this.#bytes[i]!
      const letter = code >= 0x61 && code <= 0x7a
      const other = (code >= 0x30 && code <= 0x39) || code === 0x2d
      if (!letter && !(other && i > start)) throw new Malformed()
    }
    return this.#text(start, length, 'latin1')
  }

  /** The name of a worker class; see `isClassName`. */
  name(): string {
    const length = this.u8()
    if (length > NAME_BYTES_MAX) throw new Malformed()
    const name = this.#text(this.#take(length), length, 'latin1')
    this.ensure(isClassName(name))
    return name
  }

  /** An IP address as text. */
  address(): string {
    const length = this.u8()
    if (length > ADDRESS_BYTES_MAX) throw new Malformed()
    const address = this.#text(this.#take(length), length, 'latin1')
    this.ensure(ADDRESS.test(address))
    return address
  }

  hex(bytes: number): string {
    return this.#text(this.#take(bytes), bytes, 'hex')
  }

  /** `value` when it is at most `max`. */
  atMost(value: number, max: number): number {
    this.ensure(value <= max)
    return value
  }

  ensure(holds: boolean): void {
    if (!holds) throw new Malformed()
  }

  #text(start: number, length: number, encoding: 'latin1' | 'hex'): string {
    const bytes = this.#bytes
    let hash = encoding === 'hex' ? 7 : 0
    for (let i = start; i < start + length; i++) hash = Math.imul(hash, 31) + bytes[i]!
    const slot = texts[(hash ^ (hash >>> 10)) & (TEXTS - 1)]!
    const { bytes: kept, text } = slot
    // A text of hex has twice the length: the two kinds are never taken for each other.
    let same = kept.length === length && text.length === (encoding === 'hex' ? 2 : 1) * length
    for (let i = 0; same && i < length; i++) same = kept[i] === bytes[start + i]
    if (same) return text
    slot.bytes = Uint8Array.prototype.slice.call(bytes, start, start + length)
    slot.text = bytes.toString(encoding, start, start + length)
    return slot.text
  }

  #take(count: number): number {
    const start = this.#at
    if (start + count > this.#bytes.length) throw new Malformed()
    this.#at = start + count
    return start
  }
}

/** Writes fields into a buffer of fixed size. A field that does not fit leaves `full` set. */
export class Writer {
  readonly #bytes: Buffer
  #at = 0
  #limit: number
  #full = false

  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax)
    this.#limit = bytesMax
  }

  get at(): number {
    return this.#at
  }

  begin(bytesMax: number): void {
    this.#at = 0
    this.#limit = Math.min(bytesMax, this.#bytes.length)
    this.#full = false
  }

  /** Runs `write`; when what it wrote does not fit, takes it back and returns false. */
  fits<T>(value: T, write: (writer: Writer, value: T) => void): boolean {
    const start = this.#at
    write(this, value)
    if (!this.#full) return true
    this.#at = start
    this.#full = false
    return false
  }

  u8(value: number): void {
    if (this.#room(1)) this.#bytes[this.#at++] = value
  }

  /** Sets a byte that was written before. */
  setU8(at: number, value: number): void {
    this.#bytes[at] = value
  }

  u16(value: number): void {
    if (!this.#room(2)) return
    this.#bytes[this.#at++] = value >>> 8
    this.#bytes[this.#at++] = value
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  u48(value: number): void {
    this.u16(Math.floor(value / 2 ** 32))
    this.u32(value >>> 0)
  }

  varint(value: number): void {
    let rest = value
    // What has more than 31 bits is not for bit operators.
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) this.u8((rest % 128) | 0x80)
    for (; rest >= 128; rest >>>= 7) this.u8((rest & 0x7f) | 0x80)
    this.u8(rest)
  }

  id(value: string): void {
    this.u8(value.length)
    if (!this.#room(value.length)) return
    for (let i = 0; i < value.length; i++) this.#bytes[this.#at++] = value.charCodeAt(i)
  }

  name(value: string): void {
    this.id(value)
  }

  hex(value: string): void {
    if (this.#room(value.length / 2)) this.#at += this.#bytes.write(value, this.#at, 'hex')
  }

  /** A copy of what was written. */
  bytes(): Buffer {
    const copy = Buffer.allocUnsafe(this.#at)
    this.#bytes.copy(copy, 0, 0, this.#at)
    return copy
  }

  #room(count: number): boolean {
    if (this.#at + count > this.#limit) this.#full = true
    return !this.#full
  }
}
