import { hash } from 'node:crypto'
import type { SectionHash } from '../move/digest.ts'

/** Kept: a section of the usual size needs no memory of its own to be hashed. */
const SCRATCH_BYTES = 256 * 1024
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/** The first 48 bits of SHA-1: native, and far more than faults of a transfer need. */
export const sectionHash: SectionHash = (name, value) => {
  const bytes = Buffer.byteLength(name) + 1 + value.length
  const named = bytes <= SCRATCH_BYTES ? scratch.subarray(0, bytes) : Buffer.allocUnsafe(bytes)
  const length = named.write(name)
  named[length] = 0
  named.set(value, length + 1)
  return hash('sha1', named, 'buffer').readUIntBE(0, 6)
}
