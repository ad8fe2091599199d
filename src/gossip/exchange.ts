import { type Random, sample } from '../world.ts'
import { agrees, differing, digestOf } from './digest.ts'
import type { Entry, MemberTable } from './member-table.ts'
import type { Members } from './members.ts'
import type { Sync } from './packet.ts'
import { type GossipTimes, syncScale } from './presets.ts'

/** Tables that a starting member asks for. */
const SYNCS_AT_START = 3

interface Parts {
  readonly random: Random
  readonly table: MemberTable
  readonly members: Members
  readonly sendSync: (to: Entry, sync: Sync, nowMs: number) => void
  readonly sendClaims: (to: Entry, entries: readonly Entry[]) => void
}

/**
 * Anti-entropy: now and then a digest of the table goes to a random member. It answers with what it
 * has otherwise, and with its own digest, which is answered in kind: push and pull of what differs.
 */
export class Exchange {
  readonly #parts: Parts
  readonly #times: GossipTimes
  #wanted = SYNCS_AT_START
  #atMs = 0

  constructor(components: Parts, init: { times: GossipTimes }) {
    this.#parts = components
    this.#times = init.times
  }

  get nextDeadlineMs(): number {
    return this.#atMs
  }

  plan(nowMs: number): void {
    const { random, table } = this.#parts
    const intervalMs = this.#times.syncIntervalMs * syncScale(table.size)
    this.#atMs = nowMs + intervalMs * (0.9 + 0.2 * random.next())
  }

  tick(nowMs: number): void {
    if (this.#atMs > nowMs) return
    this.plan(nowMs)
    const [partner] = sample(this.#parts.random, this.#parts.members.present(), 1)
    if (partner) this.#ask(partner, nowMs)
  }

  /** The first that a starting member hears tell it of all others. */
  heard(entry: Entry, nowMs: number): void {
    if (this.#wanted === 0 || entry.state !== 'alive') return
    this.#wanted--
    this.#ask(entry, nowMs)
  }

  received(entry: Entry, { type, digest }: Sync, nowMs: number): void {
    const { table, sendSync, sendClaims } = this.#parts
    if (type === 'ask') {
      // Not as often as somebody asks.
      if (nowMs - entry.syncedMs < this.#times.probeIntervalMs) return
      entry.syncedMs = nowMs
    } else {
      if (!entry.asked) return
      entry.asked = false
    }
    const differ = differing(table, digest)
    if (differ.length > 0) sendClaims(entry, differ)
    if (type === 'ask' && !agrees(table, digest)) {
      sendSync(entry, { type: 'answer', digest: digestOf(table) }, nowMs)
    }
  }

  #ask(entry: Entry, nowMs: number): void {
    entry.asked = true
    const digest = digestOf(this.#parts.table)
    this.#parts.sendSync(entry, { type: 'ask', digest }, nowMs)
  }
}
