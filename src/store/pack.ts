import { recordBytes } from './check.ts'
import type { CommitRecord } from './store.ts'

/** A section whose value lies in a shared buffer. */
export interface PackedSection {
  readonly name: string
  readonly at: number
  readonly bytes: number
}

export interface PackedRecord extends Omit<CommitRecord, 'set'> {
  readonly set: readonly PackedSection[]
}

/**
 * Values of many records in one buffer. A value is often a small view of a large pooled buffer, and
 * posting a view to a thread copies the whole buffer under it; one buffer of their own is copied
 * once, moves to the thread for nothing, and is one parameter of a statement instead of thousands.
 */
export class Packer {
  readonly buffer: Uint8Array<ArrayBuffer>
  #at = 0

  constructor(bytes: number) {
    this.buffer = new Uint8Array(bytes)
  }

  add(name: string, value: Uint8Array): PackedSection {
    const at = this.#at
    this.buffer.set(value, at)
    this.#at += value.byteLength
    return { name, at, bytes: value.byteLength }
  }

  addRecord(record: CommitRecord): PackedRecord {
    return { ...record, set: record.set.map(({ name, value }) => this.add(name, value)) }
  }
}

/** Bytes of all values of the records. */
export function recordsBytes(records: readonly CommitRecord[]): number {
  let bytes = 0
  for (const record of records) bytes += recordBytes(record)
  return bytes
}
