import { AriesError } from '../errors.ts'
import type { Output, Turn } from './turn.ts'

/** The turns of one worker that run now: one alone, or several reads together. */
export class RunningTurns {
  #alone: Turn | undefined
  readonly #reads: Turn[] = []

  /** The one that runs alone. */
  get alone(): Turn | undefined {
    return this.#alone
  }

  get size(): number {
    return this.#alone ? 1 : this.#reads.length
  }

  get all(): readonly Turn[] {
    return this.#alone ? [this.#alone] : [...this.#reads]
  }

  /** How long the first of them has run at `nowMs`; 0: none runs. */
  longestMs(nowMs: number): number {
    return nowMs - ((this.#alone ?? this.#reads[0])?.startedMs ?? nowMs)
  }

  begunBefore(ms: number): Turn[] {
    return this.all.filter(({ startedMs }) => startedMs < ms)
  }

  has(turn: Turn): boolean {
    return this.#alone === turn || this.#reads.includes(turn)
  }

  /** Reads together up to `readsMax`, everything else alone. */
  mayBegin(isRead: boolean, readsMax: number): boolean {
    if (this.#alone) return false
    return this.#reads.length === 0 || (isRead && this.#reads.length < readsMax)
  }

  begin(turn: Turn): void {
    if (turn.isRead) this.#reads.push(turn)
    else this.#alone = turn
  }

  end(turn: Turn): void {
    if (turn.isRead) this.#reads.splice(this.#reads.indexOf(turn), 1)
    else this.#alone = undefined
  }

  /** What the one that runs alone wants to send. Throws when none does. */
  output(output: Output): void {
    if (this.#alone) {
      this.#alone.outputs.push(output)
      return
    }
    throw new AriesError(
      'ARIES_E_WORKER_FAILED',
      this.#reads.length > 0
        ? 'with `readsMax` above 1 GET and HEAD send no messages'
        : 'a worker sends within its turns only',
    )
  }

  /** Gives all of them up. */
  takeAll(): readonly Turn[] {
    const all = this.all
    for (const turn of all) turn.givenUp = true
    this.#alone = undefined
    this.#reads.length = 0
    return all
  }
}
