/**
 * For development: catches values of the state that are changed in place, which counts for nothing
 * unless the entry is set again. What was got is frozen, so that a change throws at once. What no
 * freezing holds (Map, Set, Date, bytes) is compared, as encoded, when a turn ends.
 */
import { AriesError } from '../errors.ts'
import { encodeSection } from './section.ts'

/** Values are compared up to this size, encoded; all those of one worker up to four times that. */
const COMPARED_BYTES_MAX = 256 * 1024
const ALL_COMPARED_BYTES_MAX = 4 * COMPARED_BYTES_MAX

/** What V8 says when something frozen is changed. */
const FROZEN_CHANGED = /^Cannot (?:assign to read only|add|delete|define|redefine) property/

export const FROZEN_HINT =
  'in development values of this.state cannot be changed in place: change a copy and `set` it'

/** Whether that is what V8 throws when something frozen is changed. */
export function isFrozenChange(thrown: unknown): boolean {
  return thrown instanceof TypeError && FROZEN_CHANGED.test(thrown.message)
}

interface Watched {
  readonly value: object
  readonly encoded: Uint8Array
}

export class StateGuard {
  readonly #watched = new Map<string, Watched>()
  #bytes = 0

  /** The value of an entry was decoded, `bytes` long, and is given to the author. */
  got(name: string, value: unknown, bytes: number): void {
    if (typeof value !== 'object' || value === null || freeze(value)) return
    if (bytes > COMPARED_BYTES_MAX || this.#bytes + bytes > ALL_COMPARED_BYTES_MAX) return
    const encoded = encodeSection(name, value)
    this.#watched.set(name, { value, encoded })
    this.#bytes += encoded.length
  }

  forget(name: string): void {
    const watched = this.#watched.get(name)
    if (!watched) return
    this.#watched.delete(name)
    this.#bytes -= watched.encoded.length
  }

  clear(): void {
    this.#watched.clear()
    this.#bytes = 0
  }

  /** Throws when an entry was changed since it was got. */
  check(): void {
    for (const [name, { value, encoded }] of this.#watched) {
      if (Buffer.compare(encodeSection(name, value), encoded) === 0) continue
      throw new AriesError(
        'ARIES_E_WORKER_FAILED',
        `state "${name}" was changed in place; ${FROZEN_HINT}`,
      )
    }
  }
}

/** Freezes it and everything in it; false when a part can be changed all the same. */
function freeze(root: object): boolean {
  let held = true
  const rest: unknown[] = [root]
  while (rest.length > 0) {
    const value = rest.pop()
    if (typeof value !== 'object' || value === null) continue
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) held = false
    // A RegExp writes down where it has matched.
    else if (!(value instanceof RegExp) && !Object.isFrozen(value)) {
      Object.freeze(value)
      held &&= !(value instanceof Map || value instanceof Set || value instanceof Date)
      for (const part of partsOf(value)) rest.push(part)
    }
  }
  return held
}

function* partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) yield* value.keys()
  if (value instanceof Map || value instanceof Set) yield* value.values()
  yield* Object.values(value)
}
