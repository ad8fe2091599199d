import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../world.ts'

/** Within this a busy heap is collected. */
const WINDOW_MS = 20_000

/** Bytes in use on the heap and of what it keeps outside, garbage included. About a microsecond. */
export function heapBytes(): number {
  const { used_heap_size: inside, external_memory: outside } = getHeapStatistics()
  return inside + outside
}

/**
 * What the workers of a host process keep on its heap, without the garbage: the least that was in use
 * lately, for after a collection only the living are left, less what the process had before there was
 * a worker. Too much by the garbage that nobody has collected yet, where the heap is never under
 * pressure; code that is loaded for the workers is theirs.
 */
export class HeapUse {
  readonly #clock: Clock
  readonly #heapBytes: () => number
  readonly #emptyBytes: number
  #sinceMs: number
  #least = Number.POSITIVE_INFINITY
  #leastBefore = Number.POSITIVE_INFINITY

  /** To be made before the first worker. */
  constructor(components: { readonly clock: Clock; readonly heapBytes: () => number }) {
    this.#clock = components.clock
    this.#heapBytes = components.heapBytes
    this.#emptyBytes = this.#heapBytes()
    this.#sinceMs = this.#clock.nowMs()
  }

  /** As of now; to be called now and then. */
  sample(): number {
    const nowMs = this.#clock.nowMs()
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#leastBefore = this.#least
      this.#least = Number.POSITIVE_INFINITY
      this.#sinceMs = nowMs
    }
    this.#least = Math.min(this.#least, this.#heapBytes())
    return Math.max(0, Math.min(this.#least, this.#leastBefore) - this.#emptyBytes)
  }
}
