import type { Turn } from './turn.ts'

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

  /** Gives all of them up. */
  takeAll(): readonly Turn[] {
    const all = this.all
    this.#alone = undefined
    this.#reads.length = 0
    return all
  }
}
