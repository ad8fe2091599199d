import { AriesError } from '../../errors.ts'
import { countAnswer, countLatency, type RouteKind, type ShardStats } from '../metrics.ts'
import type { AttemptFailure, AttemptOutcome, Picker, Target } from '../plan.ts'

/** What all pickers share: counting how their exchange ended, and how long it took. */
export abstract class CountedPicker implements Picker {
  readonly #stats: ShardStats
  readonly #kind: RouteKind
  protected startMs = performance.now()
  #status = 0

  constructor(stats: ShardStats, kind: RouteKind) {
    this.#stats = stats
    this.#kind = kind
  }

  abstract pick(failure?: AttemptFailure): Target | Promise<Target>

  answered(outcome: AttemptOutcome): void {
    this.#status = outcome.status
  }

  done(failure?: AttemptFailure): void {
    countAnswer(this.#stats, this.#kind, failure?.error.status ?? this.#status)
    countLatency(this.#stats, performance.now() - this.startMs)
  }

  /** There is no target: the error to throw, noted as the answer. */
  protected answeredBy(error: AriesError): AriesError {
    this.#status = error.status
    return error
  }

  protected noTarget(message: string): AriesError {
    return this.answeredBy(new AriesError('ARIES_E_NO_TARGET', message))
  }
}
