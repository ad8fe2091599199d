const FIRST_MS = 50
const MAX_MS = 5_000
/** A process that ran this long is well again: the next restart is quick. */
const HEALTHY_MS = 10_000

/** How long to wait before a process that died is started anew: longer each time. */
export class Backoff {
  #nextMs = FIRST_MS

  /** After a process that ran for `ranMs`. */
  delayMs(ranMs: number): number {
    if (ranMs > HEALTHY_MS) this.#nextMs = FIRST_MS
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(MAX_MS, this.#nextMs * 2)
    return delayMs
  }
}
