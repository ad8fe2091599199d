/**
 * Requests that wait at the front because every target is full: bounded in number and in time. First
 * come, first served while the wait is short; the newest first when it is not, for its client is the
 * likeliest to be there still, and who waited long is refused anyway (adaptive LIFO; Maurer, "Fail at
 * scale", ACM Queue 13(8), 2015).
 */
export interface RequestLineLimits {
  readonly queueMax: number
  readonly queueTimeoutMs: number
}

interface Place<T> {
  readonly request: T
  readonly sinceMs: number
}

/** From this part of the time limit on, the newest is served first. */
const LONG_WAIT = 0.5

export class RequestLine<T> {
  readonly #places: Place<T>[] = []
  #limits: RequestLineLimits

  constructor(limits: RequestLineLimits) {
    this.#limits = limits
  }

  get length(): number {
    return this.#places.length
  }

  setLimits(limits: RequestLineLimits): void {
    this.#limits = limits
  }

  /** False when the line is full. */
  join(request: T, nowMs: number): boolean {
    if (this.#places.length >= this.#limits.queueMax) return false
    this.#places.push({ request, sinceMs: nowMs })
    return true
  }

  leave(request: T): void {
    const at = this.#places.findIndex((place) => place.request === request)
    if (at >= 0) this.#places.splice(at, 1)
  }

  /** Who is to be served next; stays in line until it leaves. */
  next(nowMs: number): T | undefined {
    const oldest = this.#places[0]
    if (oldest === undefined) return undefined
    const isLong = nowMs - oldest.sinceMs > LONG_WAIT * this.#limits.queueTimeoutMs
    return (isLong ? this.#places.at(-1)! : oldest).request
  }

  /** Takes out those whose time is up. */
  expire(nowMs: number): T[] {
    const stay = this.#places.findIndex(
      ({ sinceMs }) => nowMs - sinceMs < this.#limits.queueTimeoutMs,
    )
    return this.#places
      .splice(0, stay < 0 ? this.#places.length : stay)
      .map(({ request }) => request)
  }
}
