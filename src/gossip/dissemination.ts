interface News {
  transmits: number
  readonly order: number
}

/**
 * The members of whom there is news to send on, each a limited number of times. What is sent is
 * read off the table at that moment, so newer news replaces older and the queue cannot outgrow it.
 */
export class Dissemination {
  readonly #news = new Map<string, News>()
  #order = 0

  /** There is news of `id`: its count begins anew. */
  add(id: string): void {
    this.#news.set(id, { transmits: 0, order: this.#order++ })
  }

  forget(id: string): void {
    this.#news.delete(id)
  }

  get size(): number {
    return this.#news.size
  }

  /** Ids in the order to send them: least sent first, then newest. */
  queue(): string[] {
    return [...this.#news]
      .sort(([, a], [, b]) => a.transmits - b.transmits || b.order - a.order)
      .map(([id]) => id)
  }

  /** `id` was sent once more; at `limit` it is old news. */
  sent(id: string, limit: number): void {
    const news = this.#news.get(id)
    if (news && ++news.transmits >= limit) this.#news.delete(id)
  }
}
