/**
 * Gives the memory back that many workers leave behind when they fall asleep. V8 collects when
 * something allocates; a host whose workers sleep allocates nothing, and would keep some ten
 * kilobytes of waste for each of them for ever.
 */
import type { HostStats } from './ipc.ts'

/** So many must have fallen asleep: fewer leave a few megabytes. */
const FALLEN_MIN = 1_000
/** A host is at rest when it did as little as this, part of a core, in so many reports in a row. */
const CPU_MAX = 0.05
const REPORTS = 4
/** Marking takes about a millisecond a megabyte: a larger heap is left to V8. */
const HEAP_BYTES_MAX = 256 * 1024 * 1024

export interface TidyComponents {
  /** Collects everything and returns what is free to the system; stops the process meanwhile. */
  readonly collect: () => void
  /** Of the heap, in use. */
  readonly heapBytes: () => number
}

export class Tidy {
  readonly #c: TidyComponents
  #restful = 0
  #fallen = 0
  #asleep = 0

  constructor(components: TidyComponents) {
    this.#c = components
  }

  /** Hears every report of the host. */
  look({ asleep, requests, cpu }: Pick<HostStats, 'asleep' | 'requests' | 'cpu'>): void {
    this.#fallen += Math.max(0, asleep - this.#asleep)
    const isRestful = requests === 0 && cpu <= CPU_MAX && asleep === this.#asleep
    this.#asleep = asleep
    this.#restful = isRestful ? this.#restful + 1 : 0
    if (this.#fallen < FALLEN_MIN || this.#restful < REPORTS) return
    this.#fallen = 0
    if (this.#c.heapBytes() <= HEAP_BYTES_MAX) this.#c.collect()
  }
}
