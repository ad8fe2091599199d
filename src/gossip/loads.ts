import { type Board, isUrgent, urgencyStart } from './board.ts'
import type { Entry, MemberTable } from './member-table.ts'
import type { LoadNews } from './packet.ts'
import type { LoadVector } from './types.ts'

/** What comes onto the board: the own load, and news of those of members. */
export class Loads {
  readonly #self: Entry
  readonly #table: MemberTable
  readonly #board: Board
  #seq = 0

  constructor(components: { self: Entry; table: MemberTable; board: Board }) {
    this.#self = components.self
    this.#table = components.table
    this.#board = components.board
  }

  /** True when it is urgent: others should hear it soon. */
  setOwn(load: LoadVector, nowMs: number): boolean {
    const { place, boot } = this.#self
    const urgent = isUrgent(this.#board.load(place.id), load)
    const urgency = urgent ? urgencyStart(this.#table.size) : 0
    this.#board.hear({ id: place.id, boot, seq: ++this.#seq, ageMs: 0, urgency, load }, nowMs)
    return urgent
  }

  /** True when it is new and urgent. Of the life that the member has now, and of no other. */
  hear(news: LoadNews, nowMs: number): boolean {
    const entry = this.#table.get(news.id)
    if (!entry || entry === this.#self || news.boot !== entry.boot) return false
    return this.#board.hear(news, nowMs) && news.urgency > 0
  }
}
