/**
 * Messages between hosts on the wire: u32 big-endian length, a head of msgpack, then the values of the
 * message's sections, whose lengths stand in the head in their places.
 *
 * Values are neither packed nor unpacked. They leave from where they lie and are read into the
 * memory that they stay in: each further copy of a large state is garbage outside the heap, which V8
 * answers with whole collections that stop the host for milliseconds.
 */
import { Packr } from 'msgpackr'
import { isMsgpack } from '../msgpack-check.ts'
import type { Section } from '../store/store.ts'
import { SECTION_BYTES_MAX } from '../worker/section.ts'

/** What hosts say to each other: some of it carries sections, in `set` or in `whole`. */
export interface WireMessage {
  readonly type: string
  readonly set?: readonly Section[]
  readonly whole?: readonly Section[] | undefined
}

/** A fence carries a small state and the sessions with what they have not acknowledged. */
const MESSAGE_BYTES_MAX = Math.max(2 * SECTION_BYTES_MAX, 256 * 1024 * 1024)
/** Smaller values are copied together, which is cheaper than a write of its own for each. */
const ALONE_BYTES_MIN = 4_096
const LENGTH_BYTES = 4
/** Deeper than any head, sessions with what they carry included. */
const DEPTH_MAX = 64

const packr = new Packr({ useRecords: false, copyBuffers: true })

/** The bytes of a message, in pieces to be written one after the other. */
export function encodeMessage(message: WireMessage): Uint8Array[] {
  const sections = sectionsOf(message)
  const head = packr.pack(sections ? withLengths(message, sections) : message)
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32BE(head.length)
  const pieces: Uint8Array[] = []
  let together: Uint8Array[] = [length, head]
  for (const { value } of sections ?? []) {
    if (value.length < ALONE_BYTES_MIN) {
      together.push(value)
      continue
    }
    if (together.length > 0) pieces.push(Buffer.concat(together))
    together = []
    pieces.push(value)
  }
  if (together.length > 0) pieces.push(Buffer.concat(together))
  return pieces
}

function sectionsOf(message: WireMessage): readonly Section[] | undefined {
  return message.set ?? message.whole
}

function withLengths(message: WireMessage, sections: readonly Section[]): object {
  const lengths = sections.map(({ name, value }) => ({ name, value: value.length }))
  return { ...message, [message.set ? 'set' : 'whole']: lengths }
}

/** A section whose value is still to be read: its length stands in for it. */
type Announced = { -readonly [K in keyof Section]: Section[K] | number }

/** Puts messages together from a byte stream. Throws on one that is too long or not one. */
export class MessageDecoder {
  /** What is read now: a length, a head or a value. */
  #buffer = Buffer.allocUnsafeSlow(LENGTH_BYTES)
  #filledBytes = 0
  #isHead = false
  #message: WireMessage | undefined
  #announced: readonly Announced[] = []
  #read = 0

  push(chunk: Buffer): WireMessage[] {
    const messages: WireMessage[] = []
    for (let at = 0; ; ) {
      const copied = chunk.copy(this.#buffer, this.#filledBytes, at)
      at += copied
      this.#filledBytes += copied
      if (this.#filledBytes < this.#buffer.length) return messages
      this.#filled()
      if (this.#message && this.#read === this.#announced.length) {
        messages.push(this.#message)
        this.#message = undefined
        this.#announced = []
        this.#expect(LENGTH_BYTES)
      }
    }
  }

  #filled(): void {
    const buffer = this.#buffer
    if (this.#message) {
      this.#announced[this.#read++]!.value = buffer
    } else if (this.#isHead) {
      this.#isHead = false
      if (!isMsgpack(buffer, DEPTH_MAX)) throw new Error('move message that is not MessagePack')
      this.#message = packr.unpack(buffer) as WireMessage
      if (typeof this.#message?.type !== 'string') throw new Error('move message without a type')
      this.#announced = announced(this.#message)
      this.#read = 0
    } else {
      this.#isHead = true
      this.#expect(checkedBytes(buffer.readUInt32BE(0)))
      return
    }
    const next = this.#announced[this.#read]
    if (next) this.#expect(next.value as number)
  }

  /** The bytes stay in their own memory for as long as the worker has them. */
  #expect(bytes: number): void {
    this.#buffer = Buffer.allocUnsafeSlow(bytes)
    this.#filledBytes = 0
  }
}

function announced(message: WireMessage): readonly Announced[] {
  const sections = (sectionsOf(message) ?? []) as readonly unknown[] as readonly Announced[]
  let bytes = 0
  for (const { name, value } of sections) {
    if (typeof name !== 'string') throw new Error('section without a name')
    bytes += checkedBytes(value)
  }
  checkedBytes(bytes)
  return sections
}

function checkedBytes(bytes: unknown): number {
  if (Number.isInteger(bytes) && (bytes as number) >= 0 && (bytes as number) <= MESSAGE_BYTES_MAX) {
    return bytes as number
  }
  throw new Error(`move message of ${String(bytes)} bytes`)
}
