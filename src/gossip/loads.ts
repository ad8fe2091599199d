import { type Board, isUrgent, urgencyStart } from './board.ts'
import { type LoadRow, loadOf, rowBoot } from './load-row.ts'
import type { Entry, MemberTable } from './member-table.ts'
import type { LoadNews } from './packet.ts'
import type { Capacity, LoadVector } from './types.ts'

/** A capacity that changed by less is not told anew: that takes a new version of the own claim. */
const CAPACITY_CHANGE = 0.1

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

  /** The capacity that `load` shows, if it is another than the one that was told. */
  newCapacity(load: LoadVector): Capacity | undefined {
    const { cpuCapacity: cpu, memoryBytesMax, requestsMax, connectionsMax } = load
    const memoryBytes = memoryBytesMax
    const now = { cpu, memoryBytes, requests: requestsMax, connections: connectionsMax }
    const told = this.#self.meta.capacity
    const isSame =
      told !== undefined &&
      isNear(now.cpu, told.cpu) &&
      isNear(now.memoryBytes, told.memoryBytes) &&
      isNear(now.requests, told.requests) &&
      isNear(now.connections, told.connections)
    return isSame ? undefined : now
  }

  /** Rows of members, by their places in the map that we hold too. */
  hearRows(rows: readonly LoadRow[], nowMs: number): void {
    for (const { index, boot, seq, ageMs, figures } of rows) {
      const entry = this.#table.at(index)
      const capacity = entry?.meta.capacity
      if (!entry || !capacity || entry === this.#self || rowBoot(entry.boot) !== boot) continue
      const { id } = entry.place
      if (this.#board.isNewer(id, entry.boot, seq)) {
        const load = loadOf(figures, capacity, this.#board.load(id))
        const news = { id, boot: entry.boot, seq, ageMs, urgency: 0, load }
        this.#board.hear(news, nowMs, { figures, capacity })
      } else {
        this.#board.age(id, entry.boot, seq, nowMs - ageMs)
      }
    }
  }

  /** True when it is new and urgent. Of the life that the member has now, and of no other. */
  hear(news: LoadNews, nowMs: number): boolean {
    const entry = this.#table.get(news.id)
    if (!entry || entry === this.#self || news.boot !== entry.boot) return false
    return this.#board.hear(news, nowMs) && news.urgency > 0
  }
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= CAPACITY_CHANGE * Math.max(a, b)
}
