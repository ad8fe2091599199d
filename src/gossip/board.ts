import type { Figures } from './load-row.ts'
import type { LoadNews } from './packet.ts'
import type { Capacity, LoadVector } from './types.ts'

/** The newest load of a member, as it is kept. */
export interface BoardRow {
  readonly id: string
  boot: number
  seq: number
  load: LoadVector
  /** When it was measured, by our own clock. */
  bornMs: number
  urgency: number
  /** The load as a row has it, in parts of this capacity. */
  short: Short | undefined
}

export interface Short {
  readonly figures: Figures
  readonly capacity: Capacity
}

const FEW = 64

/** What is older is of no use to placement, and is not told any more. */
export const LOAD_AGE_MS_MAX = 30_000

/**
 * The newest load of every member, as MOSIX's `infod` keeps it: each row with its age, so that no
 * clocks need to agree. Which of two rows is newer is decided by the member's own count.
 */
export class Board {
  readonly #rows = new Map<string, BoardRow>()
  /** The same, as they were ordered last. */
  readonly #order: BoardRow[] = []

  /** Takes news of `id`; `short`: if it came so. False when something at least as new is known. */
  hear(news: LoadNews, nowMs: number, short?: Short): boolean {
    const bornMs = nowMs - news.ageMs
    const { id, boot, seq, load, urgency } = news
    if (!this.isNewer(id, boot, seq)) {
      this.age(id, boot, seq, bornMs)
      return false
    }
    this.#put({ id, boot, seq, load, bornMs, urgency, short })
    return true
  }

  #put(news: BoardRow): void {
    const row = this.#rows.get(news.id)
    if (row) {
      row.boot = news.boot
      row.seq = news.seq
      row.load = news.load
      row.bornMs = news.bornMs
      row.urgency = news.urgency
      row.short = news.short
      return
    }
    this.#rows.set(news.id, news)
    this.#order.push(news)
  }

  isNewer(id: string, boot: number, seq: number): boolean {
    const row = this.#rows.get(id)
    return row === undefined || boot > row.boot || (boot === row.boot && seq > row.seq)
  }

  /** The same load by another way: the older age is the truer one, ways only lose time. */
  age(id: string, boot: number, seq: number, bornMs: number): void {
    const row = this.#rows.get(id)
    if (row?.boot === boot && row.seq === seq) row.bornMs = Math.min(row.bornMs, bornMs)
  }

  load(id: string): LoadVector | undefined {
    return this.#rows.get(id)?.load
  }

  /** Infinity before the first. */
  ageMs(id: string, nowMs: number): number {
    const row = this.#rows.get(id)
    return row ? nowMs - row.bornMs : Number.POSITIVE_INFINITY
  }

  forget(id: string): void {
    const row = this.#rows.get(id)
    if (!row) return
    this.#rows.delete(id)
    this.#order.splice(this.#order.indexOf(row), 1)
  }

  get size(): number {
    return this.#rows.size
  }

  /** The row of `id` as it is told now, if it is worth telling. */
  news(id: string, nowMs: number): LoadNews | undefined {
    const row = this.#rows.get(id)
    if (!row || nowMs - row.bornMs > LOAD_AGE_MS_MAX) return undefined
    return toldNews(row, nowMs)
  }

  /** Urgent rows first, then the freshest; `take` until it says that there are enough. */
  window(nowMs: number, take: (row: BoardRow) => boolean): void {
    sort(this.#order)
    for (const row of this.#order) {
      if (nowMs - row.bornMs > LOAD_AGE_MS_MAX) continue
      if (row.urgency > 0) row.urgency--
      if (!take(row)) return
    }
  }

  rows(): readonly Readonly<BoardRow>[] {
    return this.#order
  }
}

export function toldNews(
  { id, boot, seq, bornMs, urgency, load }: BoardRow,
  nowMs: number,
): LoadNews {
  return { id, boot, seq, ageMs: nowMs - bornMs, urgency, load }
}

/** Nearly in order since the last time; what few rows there are is quicker put in its place here. */
function sort(rows: BoardRow[]): void {
  if (rows.length > FEW) {
    rows.sort(compare)
    return
  }
  for (let i = 1; i < rows.length; i++) {
    const row = rows[i]!
    let at = i
    for (; at > 0 && compare(rows[at - 1]!, row) > 0; at--) rows[at] = rows[at - 1]!
    rows[at] = row
  }
}

function compare(a: BoardRow, b: BoardRow): number {
  return b.urgency - a.urgency || b.bornMs - a.bornMs
}

/** How many windows an urgent row goes first in (MOSIX: log2 n + 2). */
export function urgencyStart(n: number): number {
  return Math.ceil(Math.log2(Math.max(2, n))) + 2
}

const MEMORY_FULL = 0.9

/** Overload and memory nearly full are urgent; so is the end of it. */
export function isUrgent(before: LoadVector | undefined, after: LoadVector): boolean {
  return before !== undefined && isStrained(before) !== isStrained(after)
}

function isStrained(load: LoadVector): boolean {
  const full = load.memoryBytesMax > 0 && load.memoryBytes > MEMORY_FULL * load.memoryBytesMax
  return full || (load.requestsMax > 0 && load.requests >= load.requestsMax)
}
