import { type Board, type BoardRow, toldNews } from './board.ts'
import type { Dissemination } from './dissemination.ts'
import { figuresOf, type LoadRow, rowBoot } from './load-row.ts'
import { claimOf, type Entry, type MemberTable } from './member-table.ts'
import { type PacketHead, PacketWriter } from './packet.ts'
import { type GossipTimes, retransmitLimit } from './presets.ts'

/**
 * Least bytes of what somebody answers who may not know us: the answer is no larger than the
 * question, and has to hold two claims.
 */
const QUESTION_BYTES = 160
/** Most rows of the board in one window; as many as fit are sent. */
const WINDOW_ROWS_MAX = 100

/**
 * Fills packets. Each begins with the sender's own claim and, where the receiver is not `alive`
 * to us, with what is claimed of the receiver, so that the accused always hears it (Lifeguard's
 * buddy system, for every packet); then comes news, then loads, as far as there is room.
 */
export class Composer {
  /** Short rows in the last window. */
  rowsSent = 0
  readonly #self: Entry
  readonly #table: MemberTable
  readonly #board: Board
  readonly #news: Dissemination
  readonly #times: GossipTimes
  readonly #bytesMax: number
  readonly #writer: PacketWriter
  #mapHash: string

  constructor(
    components: { self: Entry; table: MemberTable; board: Board; news: Dissemination },
    init: { times: GossipTimes; bytesMax: number; mapHash: string },
  ) {
    this.#mapHash = init.mapHash
    this.#self = components.self
    this.#table = components.table
    this.#board = components.board
    this.#news = components.news
    this.#times = init.times
    this.#bytesMax = init.bytesMax
    this.#writer = new PacketWriter(init.bytesMax)
  }

  setMapHash(mapHash: string): void {
    this.#mapHash = mapHash
  }

  /** One packet for `to`. `accuse`: say what is claimed of it even when that is nothing bad. */
  compose(
    to: Entry,
    head: PacketHead,
    nowMs: number,
    options: { accuse?: boolean; window?: boolean; bytesMax?: number } = {},
  ): Buffer {
    this.#begin(to, head, options.accuse ?? false, options.bytesMax)
    const own = this.#board.news(this.#self.place.id, nowMs)
    if (own) this.#writer.load(own)
    this.#addNews(to)
    if (options.window) this.#addWindow(to, nowMs)
    const asks = to.boot === 0 || head.probe !== undefined
    return this.#writer.finish(asks && options.bytesMax === undefined ? QUESTION_BYTES : 0)
  }

  /** What is claimed of these, in as many packets as it takes. */
  composeClaims(to: Entry, entries: readonly Entry[]): Buffer[] {
    const packets: Buffer[] = []
    this.#begin(to, {}, true)
    for (const entry of entries) {
      if (entry === this.#self || entry === to) continue
      const claim = claimOf(entry)
      if (this.#writer.claim(claim)) continue
      packets.push(this.#writer.finish())
      this.#begin(to, {}, false)
      this.#writer.claim(claim)
    }
    packets.push(this.#writer.finish())
    return packets
  }

  #begin(to: Entry, head: PacketHead, accuse: boolean, bytesMax = this.#bytesMax): void {
    this.#writer.begin(head, Math.min(bytesMax, this.#bytesMax))
    this.#writer.claim(claimOf(this.#self))
    if (to.boot > 0 && (accuse || to.state !== 'alive')) this.#writer.claim(claimOf(to))
  }

  /** Urgent loads whole, then the freshest, short if they can be; counts as sent once. */
  #addWindow(to: Entry, nowMs: number): void {
    // Of one that has not said which it holds too: if it is another, it drops the rows.
    const sharesMap = to.mapHash === '' || to.mapHash === this.#mapHash
    const selfId = this.#self.place.id
    const rows: LoadRow[] = []
    let left = WINDOW_ROWS_MAX
    let isFull = false
    this.#board.window(nowMs, (news) => {
      if (news.id === selfId) return true
      const row = sharesMap && news.urgency === 0 ? this.#row(news, nowMs) : undefined
      if (row) rows.push(row)
      else if (!isFull) isFull = !this.#writer.load(toldNews(news, nowMs))
      return --left > 0
    })
    if (sharesMap) this.rowsSent = this.#writer.rows(rows)
  }

  #row(row: BoardRow, nowMs: number): LoadRow | undefined {
    const { id, boot, seq, bornMs, load } = row
    const entry = this.#table.get(id)
    const capacity = entry?.boot === boot ? entry.meta.capacity : undefined
    if (!entry || !capacity || entry.index < 0) return undefined
    if (row.short?.capacity !== capacity) {
      row.short = { figures: figuresOf(load, capacity), capacity }
    }
    const { figures } = row.short
    return { index: entry.index, boot: rowBoot(boot), seq, ageMs: nowMs - bornMs, figures }
  }

  #addNews(to: Entry): void {
    if (this.#news.size === 0) return
    const limit = retransmitLimit(this.#times.retransmitMult, this.#table.size)
    this.#news.send(limit, (id) => {
      const entry = this.#table.get(id)
      // Its own claim and the receiver's are in the packet already, if they are worth telling.
      const told = entry === undefined || entry === this.#self || entry === to
      return told || this.#writer.claim(claimOf(entry))
    })
  }
}
