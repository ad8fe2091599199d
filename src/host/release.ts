/**
 * Memory outside the heap that is given back by hand. Left to the collector, the bytes of a large
 * state make it run whole collections, each of which stops the host for some milliseconds.
 */
import { RESERVED, type SectionState } from '../worker/state.ts'

/** Smaller entries may share their memory with others, and weigh little. */
const ENTRY_BYTES_MIN = 4_096
/** Between two turns of the event loop: a fraction of a millisecond. */
const RELEASES_MAX = 16
const LOOKS_MAX = 256

/** Gives the memory of bytes back that nobody reads or sends any more. */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes
  // Else others have views of the same memory.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0)
}

/** Gives the memory of a state back whose worker has left, a little at a time. */
export async function releaseState(state: SectionState): Promise<void> {
  let released = 0
  let looked = 0
  for (const [name, value] of state.takeOut()) {
    // A kept reply may be on its way to a client.
    if (value.length >= ENTRY_BYTES_MIN && !name.startsWith(RESERVED)) {
      release(value)
      released++
    }
    if (released < RELEASES_MAX && ++looked < LOOKS_MAX) continue
    released = 0
    looked = 0
    await new Promise((resolve) => setImmediate(resolve))
  }
}
