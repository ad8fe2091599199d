/**
 * The replies of one worker by `Idempotency-Key`. Each is kept as a section of the worker's state
 * that its author does not see: it commits with the turn that it answers, is loaded with the worker
 * and moves with it, by what does that for every section.
 */
import { Packr } from 'msgpackr'
import { RESERVED, type SectionState } from '../worker/state.ts'
import type { IdempotencyLimits } from '../worker/worker.ts'

/** Most bytes of one reply, body and header fields: it is stored and moved with every other one. */
export const REPLY_BYTES_MAX = 65_536
export const KEYS_MAX_DEFAULT = 1_000
export const AGE_MS_DEFAULT = 24 * 60 * 60 * 1_000

const PREFIX = `${RESERVED}reply/`

const packr = new Packr({ useRecords: false })

export interface KeptReply {
  /** Of the request: the same key with another one is refused. */
  readonly fingerprint: string
  /** Wall clock, milliseconds: a reply outlives processes and changes machines. */
  readonly atMs: number
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

export class Replies {
  readonly #state: SectionState
  readonly #keysMax: number
  readonly #ageMs: number
  /** Section name → time, oldest first. */
  readonly #kept: Map<string, number>
  #pending: { name: string; atMs: number; dropped: readonly string[] } | undefined

  constructor(state: SectionState, limits: IdempotencyLimits = {}) {
    this.#state = state
    this.#keysMax = limits.keysMax ?? KEYS_MAX_DEFAULT
    this.#ageMs = limits.ageMs ?? AGE_MS_DEFAULT
    const found: [string, number][] = []
    for (const [name, value] of state.sections) {
      if (name.startsWith(PREFIX)) found.push([name, decode(value).atMs])
    }
    this.#kept = new Map(found.toSorted(([, a], [, b]) => a - b))
  }

  get(key: string, nowMs: number): KeptReply | undefined {
    const name = PREFIX + key
    const atMs = this.#kept.get(name)
    if (atMs === undefined || nowMs - atMs > this.#ageMs) return undefined
    return decode(this.#state.sections.get(name)!)
  }

  /** Within the turn that the reply answers. What is too old, or one too many, is let go with it. */
  keep(key: string, reply: KeptReply): void {
    const name = PREFIX + key
    const dropped: string[] = []
    for (const [old, atMs] of this.#kept) {
      const isFull = this.#kept.size - dropped.length >= this.#keysMax
      if (!isFull && reply.atMs - atMs <= this.#ageMs) break
      dropped.push(old)
      this.#state.forget(old)
    }
    // An exact copy: the packer's slice would keep its whole buffer.
    this.#state.keep(name, new Uint8Array(packr.pack(reply)))
    this.#pending = { name, atMs: reply.atMs, dropped }
  }

  /** The turn is over; `done`: its changes count. */
  turnEnded(done: boolean): void {
    const pending = this.#pending
    this.#pending = undefined
    if (!pending || !done) return
    for (const name of pending.dropped) this.#kept.delete(name)
    // Anew, so that it stands last.
    this.#kept.delete(pending.name)
    this.#kept.set(pending.name, pending.atMs)
  }
}

function decode(value: Uint8Array): KeptReply {
  return packr.unpack(value) as KeptReply
}
