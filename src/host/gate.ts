import type { AriesError } from '../errors.ts'
import type { Mail } from './mailbox.ts'
import type { Output } from './turn.ts'

/** What a finished turn wants to say. */
export interface Held {
  readonly mail: Mail
  readonly outputs: readonly Output[]
  readonly value: unknown
  readonly error: AriesError | undefined
  /** Number of the turn's own commit; 0 when it changed nothing. */
  readonly ownSeq: number
}

/**
 * The output gate of one worker: what turns say leaves in their order, each only when every commit
 * up to its own is durable. A turn that changed nothing may have seen what an earlier one changed,
 * so it waits for that commit as well.
 */
export class Gate {
  readonly #held: { held: Held; afterSeq: number }[] = []
  #committedSeq: number

  constructor(committedSeq: number) {
    this.#committedSeq = committedSeq
  }

  get committedSeq(): number {
    return this.#committedSeq
  }

  get size(): number {
    return this.#held.length
  }

  /** Whether nothing up to `seq` is under way any more. */
  isOpenTo(seq: number): boolean {
    return this.#held.length === 0 && seq <= this.#committedSeq
  }

  /** Releases it at once when nothing before it is under way. */
  hold(held: Held, afterSeq: number): void {
    if (this.isOpenTo(afterSeq)) release(held)
    else this.#held.push({ held, afterSeq })
  }

  /** Everything up to `seq` is durable. */
  open(seq: number): void {
    this.#committedSeq = seq
    let count = 0
    while (count < this.#held.length && this.#held[count]!.afterSeq <= seq) count++
    for (const { held } of this.#held.splice(0, count)) release(held)
  }

  /** Answers whoever came before `beforeMs`: the store takes too long to say how the commit went. */
  expire(beforeMs: number, error: (held: Held) => AriesError): void {
    for (const { held } of this.#held) {
      if (held.mail.arrivedMs > beforeMs) return
      held.mail.overdue?.(error(held))
    }
  }

  takeAll(): Held[] {
    return this.#held.splice(0).map(({ held }) => held)
  }
}

function release({ mail, outputs, value, error }: Held): void {
  for (const output of outputs) output.release()
  if (error) mail.fail(error)
  else mail.succeed(value)
}
