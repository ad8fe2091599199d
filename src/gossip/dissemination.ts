interface News {
  readonly id: string
  transmits: number
  order: number
}

/**
 * The members of whom there is news to send on, each a limited number of times. What is sent is
 * read off the table at that moment, so newer news replaces older and the queue cannot outgrow it.
 */
export class Dissemination {
  readonly #news = new Map<string, News>()
  /** Least sent first, then newest; not in order while `#sorted` is false. */
  #queue: News[] = []
  #sorted = true
  #order = 0

  /** There is news of `id`: its count begins anew. */
  add(id: string): void {
    const known = this.#news.get(id)
    this.#sorted = false
    if (known) {
      known.transmits = 0
      known.order = this.#order++
      return
    }
    const news = { id, transmits: 0, order: this.#order++ }
    this.#news.set(id, news)
    this.#queue.push(news)
  }

  forget(id: string): void {
    if (this.#news.delete(id)) this.#queue = this.#queue.filter((news) => news.id !== id)
  }

  get size(): number {
    return this.#queue.length
  }

  /**
   * Hands one id after the other to `tell` until that answers false; each that it took was sent
   * once more, and at `limit` it is old news.
   */
  send(limit: number, tell: (id: string) => boolean): void {
    if (!this.#sorted) this.#queue.sort(compare)
    let sent = 0
    let isOver = false
    for (const news of this.#queue) {
      if (!tell(news.id)) break
      sent++
      if (++news.transmits < limit) continue
      isOver = true
      this.#news.delete(news.id)
    }
    // All of them once more leaves them in order.
    this.#sorted = sent === 0 || sent === this.#queue.length
    if (isOver) this.#queue = this.#queue.filter(({ transmits }) => transmits < limit)
  }
}

function compare(a: News, b: News): number {
  return a.transmits - b.transmits || b.order - a.order
}
