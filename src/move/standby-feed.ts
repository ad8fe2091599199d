/**
 * The owner's end of a standby: what to tell it, and what it should hold by then. Sections are read
 * while the worker serves, as in a move, and what turns change is sent as they end. It is sent
 * before it is committed: whatever the store has, the standby was told of, unless the network took it.
 */
import type { Section } from '../store/store.ts'
import type { Changes } from '../worker/state.ts'
import { Digest, type SectionHash } from './digest.ts'
import type { Check, ToStandby } from './standby-messages.ts'

export interface StandbyFeedInit {
  readonly stream: number
  readonly worker: string
  readonly from: string
  readonly epoch: number
  readonly stateBytes: number
}

/** What the owner knows of the worker's turns. */
export interface Written {
  /** Turns up to this one are committed. */
  readonly committed: number
  /** Version of the class that wrote the state; 0: nothing was written. */
  readonly version: number
}

export class StandbyFeed {
  readonly init: StandbyFeedInit
  readonly #sent: Digest
  #phase: 'offered' | 'copying' | 'live' = 'offered'

  constructor(init: StandbyFeedInit, hash: SectionHash) {
    this.init = init
    this.#sent = new Digest(hash)
  }

  /** Whether the standby can take over at once. */
  get isLive(): boolean {
    return this.#phase === 'live'
  }

  /** Whether the standby has got the section: it need not be copied. */
  hasSent(name: string): boolean {
    return this.#sent.has(name)
  }

  begin(): ToStandby {
    return { type: 'follow', ...this.init }
  }

  /** The standby follows: from now on it hears of every turn, and the sections can be read. */
  accepted(): void {
    this.#phase = 'copying'
  }

  sections(seq: number, set: readonly Section[]): ToStandby {
    for (const { name, value } of set) this.#sent.set(name, value)
    return { type: 'sections', stream: this.init.stream, seq, set }
  }

  /** Undefined while the standby has not agreed: the copy will read what the turn changed. */
  turn(
    seq: number,
    { committed, version }: Written,
    { set, remove }: Changes,
  ): ToStandby | undefined {
    if (this.#phase === 'offered') return undefined
    for (const { name, value } of set) this.#sent.set(name, value)
    for (const name of remove) this.#sent.remove(name)
    const { stream } = this.init
    return { type: 'changes', stream, seq, committed, set, remove, ...this.#check(version) }
  }

  copied(seq: number, { committed, version }: Written): ToStandby {
    this.#phase = 'live'
    return { type: 'copied', stream: this.init.stream, seq, committed, ...this.#check(version) }
  }

  #check(version: number): Check {
    return { version, count: this.#sent.count, digest: this.#sent.value }
  }
}
