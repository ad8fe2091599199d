import { isClassName } from '../identity.ts'

/** Thrown by `Reader` alone, and caught by the decoders alone. */
class Malformed extends Error {}

export function isMalformed(thrown: unknown): boolean {
  return thrown instanceof Malformed
}

const ID_BYTES_MAX = 32
const NAME_BYTES_MAX = 63
const VARINT_BYTES_MAX = 8

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
    return this.#bytes[this.#take(1)]!
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  u48(): number {
    return this.#bytes.readUIntBE(this.#take(6), 6)
  }

  /** Base 128, least group first; at most 2^53 − 1. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
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
    return this.#bytes.toString('latin1', start, start + length)
  }

  /** The name of a worker class; see `isClassName`. */
  name(): string {
    const length = this.u8()
    if (length > NAME_BYTES_MAX) throw new Malformed()
    const start = this.#take(length)
    const name = this.#bytes.toString('latin1', start, start + length)
    this.ensure(isClassName(name))
    return name
  }

  hex(bytes: number): string {
    const start = this.#take(bytes)
    return this.#bytes.toString('hex', start, start + bytes)
  }

  /** `value` when it is at most `max`. */
  atMost(value: number, max: number): number {
    this.ensure(value <= max)
    return value
  }

  ensure(holds: boolean): void {
    if (!holds) throw new Malformed()
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
    if (this.#room(1)) this.#at = this.#bytes.writeUInt8(value, this.#at)
  }

  /** Sets a byte that was written before. */
  setU8(at: number, value: number): void {
    this.#bytes.writeUInt8(value, at)
  }

  u16(value: number): void {
    if (this.#room(2)) this.#at = this.#bytes.writeUInt16BE(value, this.#at)
  }

  u32(value: number): void {
    if (this.#room(4)) this.#at = this.#bytes.writeUInt32BE(value, this.#at)
  }

  u48(value: number): void {
    if (this.#room(6)) this.#at = this.#bytes.writeUIntBE(value, this.#at, 6)
  }

  varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.u8((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.u8(rest)
  }

  id(value: string): void {
    this.u8(value.length)
    if (this.#room(value.length)) this.#at += this.#bytes.write(value, this.#at, 'latin1')
  }

  name(value: string): void {
    this.id(value)
  }

  hex(value: string): void {
    if (this.#room(value.length / 2)) this.#at += this.#bytes.write(value, this.#at, 'hex')
  }

  /** A copy of what was written. */
  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  #room(count: number): boolean {
    if (this.#at + count > this.#limit) this.#full = true
    return !this.#full
  }
}
