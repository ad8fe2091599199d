import type { Clock, TimerHandle } from '../world.ts'

/** How long items are fired before the event loop gets its turn, and how long it gets. */
const SLICE_MS = 2
const PAUSE_MS = 10
/** A timer cannot be set further ahead than 2^31 ms, and the wall clock may be set: it looks again. */
const TIMER_MS_MAX = 3_600_000

interface Entry<T> {
  readonly dueMs: number
  readonly item: T
}

export interface AgendaInit<T> {
  /** The clock that the times are of, milliseconds. */
  readonly nowMs: () => number
  readonly due: (item: T, dueMs: number) => void
}

/** Items by the time that they are due, as a heap: one timer however many there are. */
export class Agenda<T> {
  readonly #clock: Clock
  readonly #init: AgendaInit<T>
  #heap: Entry<T>[] = []
  #timer: TimerHandle | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #firing = false

  constructor(components: { clock: Clock }, init: AgendaInit<T>) {
    this.#clock = components.clock
    this.#init = init
  }

  get size(): number {
    return this.#heap.length
  }

  add(dueMs: number, item: T): void {
    this.#push({ dueMs, item })
    if (!this.#firing) this.#arm(0)
  }

  /** Forgets the items for which it does not hold. */
  prune(holds: (item: T) => boolean): void {
    const left = this.#heap.filter(({ item }) => holds(item))
    this.#heap = []
    for (const entry of left) this.#push(entry)
  }

  clear(): void {
    this.#heap = []
    this.#timer?.cancel()
    this.#timerMs = Number.POSITIVE_INFINITY
  }

  #arm(delayMsMin: number): void {
    const first = this.#heap[0]
    if (!first || first.dueMs >= this.#timerMs) return
    this.#timer?.cancel()
    this.#timerMs = first.dueMs
    const delayMs = Math.max(delayMsMin, first.dueMs - this.#init.nowMs())
    this.#timer = this.#clock.after(Math.min(TIMER_MS_MAX, delayMs), () => this.#fire())
  }

  #fire(): void {
    this.#timerMs = Number.POSITIVE_INFINITY
    this.#firing = true
    const untilMs = this.#clock.nowMs() + SLICE_MS
    let isOver = false
    for (let first = this.#heap[0]; first && !isOver; first = this.#heap[0]) {
      if (first.dueMs > this.#init.nowMs()) break
      this.#pop()
      this.#init.due(first.item, first.dueMs)
      isOver = this.#clock.nowMs() > untilMs
    }
    this.#firing = false
    this.#arm(isOver ? PAUSE_MS : 0)
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.dueMs <= entry.dueMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++
      if (last.dueMs <= heap[child]!.dueMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
