import { hash } from 'node:crypto'
import type { SectionHash } from '../move/digest.ts'

/** The first 48 bits of SHA-1: native, and far more than faults of a transfer need. */
export const sectionHash: SectionHash = (name, value) => {
  const named = Buffer.allocUnsafe(Buffer.byteLength(name) + 1 + value.length)
  const length = named.write(name)
  named[length] = 0
  named.set(value, length + 1)
  return hash('sha1', named, 'buffer').readUIntBE(0, 6)
}
