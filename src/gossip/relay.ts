import type { GossipTimes } from './presets.ts'

/** A ping that we send because `from` asked for it. */
export interface Errand {
  readonly seq: number
  readonly from: string
  readonly fromSeq: number
  readonly target: string
  nackAtMs: number
  readonly endMs: number
}

/** Most errands at a time; more are refused, and the asker counts a missed nack. */
const ERRANDS_MAX = 256
/** Lifeguard: the nack leaves early enough to be there before the asker's own deadline. */
const NACK_AT = 0.8

/** The helper's side of indirect probes. */
export class Relay {
  readonly #times: GossipTimes
  readonly #errands = new Map<number, Errand>()

  constructor(init: { times: GossipTimes }) {
    this.#times = init.times
  }

  /** False when there are too many already. */
  begin(seq: number, from: string, fromSeq: number, target: string, nowMs: number): boolean {
    if (this.#errands.size >= ERRANDS_MAX) return false
    const nackAtMs = nowMs + NACK_AT * (this.#times.probeIntervalMs - this.#times.probeTimeoutMs)
    const endMs = nowMs + this.#times.probeIntervalMs
    this.#errands.set(seq, { seq, from, fromSeq, target, nackAtMs, endMs })
    return true
  }

  /** The target answered; returns whom to tell. */
  ack(seq: number, target: string): Errand | undefined {
    const errand = this.#errands.get(seq)
    if (errand?.target !== target) return undefined
    this.#errands.delete(seq)
    return errand
  }

  /** Errands to answer with a nack now. They go on: a late ack is still sent on. */
  nacks(nowMs: number): Errand[] {
    const due: Errand[] = []
    for (const errand of this.#errands.values()) {
      if (errand.endMs <= nowMs) this.#errands.delete(errand.seq)
      if (errand.nackAtMs > nowMs) continue
      errand.nackAtMs = Number.POSITIVE_INFINITY
      due.push(errand)
    }
    return due
  }

  nextDeadlineMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const { nackAtMs, endMs } of this.#errands.values()) {
      nextMs = Math.min(nextMs, nackAtMs, endMs)
    }
    return nextMs
  }
}
