import type { Clock, TimerHandle } from '../world.ts'

class Timer implements TimerHandle {
  readonly atMs: number
  readonly order: number
  fire: (() => void) | undefined

  constructor(atMs: number, order: number, fire: () => void) {
    this.atMs = atMs
    this.order = order
    this.fire = fire
  }

  cancel(): void {
    this.fire = undefined
  }
}

/**
 * Virtual time: timers fire in order of their time, and of their creation where times are equal.
 * Time moves only while `runUntil` or `step` runs.
 */
export class VirtualClock implements Clock {
  #nowMs = 0
  #order = 0
  readonly #wallStartMs: number
  readonly #heap: Timer[] = []

  constructor(wallStartMs = 1_700_000_000_000) {
    this.#wallStartMs = wallStartMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#wallStartMs + Math.floor(this.#nowMs)
  }

  after(delayMs: number, fire: () => void): TimerHandle {
    const timer = new Timer(this.#nowMs + Math.max(0, delayMs), this.#order++, fire)
    this.#push(timer)
    return timer
  }

  /** Fires the next timer; false when there is none up to `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const top = this.#heap[0]
      if (top === undefined || top.atMs > untilMs) return false
      this.#pop()
      if (top.fire === undefined) continue
      this.#nowMs = top.atMs
      top.fire()
      return true
    }
  }

  /** Fires everything up to `untilMs`, and sets the time to it. */
  runUntil(untilMs: number): void {
    while (this.step(untilMs));
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(heap[parent]!, timer)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    const size = heap.length
    if (size === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= size) break
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++
      if (before(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
