import type { RequestDetail } from './request-detail.ts'

/** The newest requests that the shards of a front wrote down, for `aries explain`. */
export class RecordedRequests {
  readonly #byShard = new Map<number, RequestDetail[]>()
  #keep = 0

  /** So many of each shard. */
  setKeep(keep: number): void {
    this.#keep = keep
    for (const shard of this.#byShard.keys()) this.add(shard, [])
  }

  add(shard: number, details: readonly RequestDetail[]): void {
    const all = [...(this.#byShard.get(shard) ?? []), ...details]
    this.#byShard.set(shard, this.#keep === 0 ? [] : all.slice(-this.#keep))
  }

  /** The newest first. `id`: of the request, or of its trace. */
  list(id?: string): RequestDetail[] {
    return [...this.#byShard.values()]
      .flat()
      .filter((one) => id === undefined || one.id === id || one.traceId === id)
      .sort((a, b) => b.atMs - a.atMs)
  }
}
