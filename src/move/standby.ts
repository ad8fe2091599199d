/**
 * A standby: a copy of a worker's state on another node, kept in step with its owner, so that a
 * failover need not load the state from the store.
 *
 * It is told of turns before they are committed. What is not known to be committed waits beside the
 * copy: at a failover the store says which turn was the last, and the copy is brought to exactly
 * that one, or is of no use. It never decides anything: it is a cache of what the store has.
 */
import type { Section } from '../store/store.ts'
import type { SectionHash } from './digest.ts'
import { Replica } from './replica.ts'
import type { Check, ToStandby } from './standby-messages.ts'

interface Pending extends Check {
  readonly seq: number
  readonly set: readonly Section[]
  readonly remove: readonly string[]
  readonly isCopied: boolean
}

export interface StandbyState {
  readonly sections: ReadonlyMap<string, Uint8Array>
  /** Version of the class that wrote it; 0: nothing was written. */
  readonly version: number
}

type Feed = Extract<ToStandby, { type: 'sections' | 'changes' | 'copied' }>

export class Standby {
  readonly worker: string
  readonly epoch: number
  readonly #replica: Replica
  /** In the order of their turns. */
  #pending: Pending[] = []
  /** Turn that the copy is at; undefined while it is not whole. */
  #seq: number | undefined
  #heardSeq: number | undefined
  #version = 0

  constructor(init: { readonly worker: string; readonly epoch: number }, hash: SectionHash) {
    this.worker = init.worker
    this.epoch = init.epoch
    this.#replica = new Replica(hash)
  }

  /** Takes what the owner says. The reason why it is of no use any more, when it is not. */
  hear(message: Feed): string | undefined {
    if (message.type === 'sections') {
      this.#replica.apply(message.seq, message.set, [])
      return undefined
    }
    const { seq, committed } = message
    const isCopied = message.type === 'copied'
    const follows = this.#heardSeq === undefined || seq === this.#heardSeq + (isCopied ? 0 : 1)
    if (!follows) return `turn ${seq} came after turn ${this.#heardSeq}`
    this.#heardSeq = seq
    const { set, remove } = isCopied ? { set: [], remove: [] } : message
    const { version, count, digest } = message
    this.#pending.push({ seq, set, remove, version, count, digest, isCopied })
    return this.#advance(committed)
  }

  /** The state after turn `seq`, of which the store says that it is the last; if it is at hand. */
  at(epoch: number, seq: number): StandbyState | undefined {
    if (epoch !== this.epoch || this.#advance(seq) !== undefined) return undefined
    if (this.#seq !== seq) return undefined
    return { sections: this.#replica.sections, version: this.#version }
  }

  #advance(seq: number): string | undefined {
    let count = 0
    for (const pending of this.#pending) {
      if (pending.seq > seq) break
      count++
      this.#replica.apply(pending.seq, pending.set, pending.remove)
      this.#version = pending.version
      if (pending.isCopied || this.#seq !== undefined) this.#seq = pending.seq
      // Before the copy is whole, sections of later turns may be in it already.
      if (this.#seq !== undefined && !this.#replica.equals(pending)) {
        return `the copy is not the state after turn ${pending.seq} (digest)`
      }
    }
    this.#pending = this.#pending.slice(count)
    return undefined
  }
}
