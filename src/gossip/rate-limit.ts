interface Bucket {
  tokens: number
  atMs: number
}

/** Token buckets, one for each source: so much at once, and so much per second for good. */
export class RateLimit {
  readonly #perSecond: number
  readonly #burst: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(init: { perSecond: number; burst: number }) {
    this.#perSecond = init.perSecond
    this.#burst = init.burst
  }

  /** Takes a token of `source`; false when there is none. */
  take(source: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: this.#burst, atMs: nowMs }
    const gained = ((nowMs - bucket.atMs) / 1_000) * this.#perSecond
    const tokens = Math.min(this.#burst, bucket.tokens + gained)
    bucket.atMs = nowMs
    bucket.tokens = tokens < 1 ? tokens : tokens - 1
    this.#buckets.set(source, bucket)
    return tokens >= 1
  }

  /** Keeps the sources that are in `sources`. */
  keep(sources: ReadonlySet<string>): void {
    for (const source of this.#buckets.keys()) {
      if (!sources.has(source)) this.#buckets.delete(source)
    }
  }
}
