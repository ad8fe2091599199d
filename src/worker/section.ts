/** How one entry of a worker's state is stored, committed and moved: as bytes of its own. */
import { Packr } from 'msgpackr'
import { AriesError } from '../errors.ts'

/** A section above this is reported: one piece of a move then takes longer than a millisecond. */
export const SECTION_BYTES_REPORTED = 256 * 1024
/** A section above this is warned about. */
export const SECTION_BYTES_WARNED = 1024 * 1024
/** A larger section is refused; the turn that set it fails. */
export const SECTION_BYTES_MAX = 32 * 1024 * 1024

/** Refuses functions, as structured clone does; msgpackr would write nothing in their place. */
class SectionPackr extends Packr {
  writeFunction(): never {
    throw new TypeError('a function is not data')
  }
}

// `copyBuffers`: a value must not share its bytes with the section that it was read from.
const packr = new SectionPackr({ structuredClone: true, copyBuffers: true })

/** A value as bytes. Throws for what structured clone does not take. */
export function encodeValue(value: unknown): Uint8Array {
  return packr.pack(value)
}

export function decodeValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}

/** Throws `ARIES_E_WORKER_FAILED` for what structured clone does not take, and for too much. */
export function encodeSection(name: string, value: unknown): Uint8Array {
  let packed: Uint8Array
  try {
    packed = encodeValue(value)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new AriesError('ARIES_E_WORKER_FAILED', `state "${name}" cannot be stored: ${why}`)
  }
  if (packed.length > SECTION_BYTES_MAX) {
    throw new AriesError(
      'ARIES_E_WORKER_FAILED',
      `state "${name}" has ${packed.length} bytes; one entry may have ${SECTION_BYTES_MAX}`,
    )
  }
  // An exact copy: the packer's slice would keep, and send to the store's thread, its whole buffer.
  return new Uint8Array(packed)
}
