import { AriesError } from '../../errors.ts'
import type { TargetMeter } from '../meters.ts'
import { countAnswer, countLatency, type RouteKind, type ShardStats } from '../metrics.ts'
import type { AttemptFailure, AttemptOutcome, Picker, Target } from '../plan.ts'

/** What all pickers share: counting how their exchange ended, and how long it took. */
export abstract class CountedPicker implements Picker {
  readonly #stats: ShardStats
  readonly #kind: RouteKind
  #status = 0
  /** Of the target where the request is now. */
  #at: TargetMeter | undefined

  constructor(stats: ShardStats, kind: RouteKind) {
    this.#stats = stats
    this.#kind = kind
  }

  abstract pick(failure?: AttemptFailure): Target | Promise<Target>

  answered(outcome: AttemptOutcome): void {
    this.#status = outcome.status
  }

  done(failure: AttemptFailure | undefined, ms: number): void {
    this.leaves()
    countAnswer(this.#stats, this.#kind, failure?.error.status ?? this.#status)
    countLatency(this.#stats, ms)
  }

  /** The request is at `target` from now on. */
  protected goesTo(target: Target): Target {
    this.#at?.left()
    this.#at = target.meter
    this.#at?.came()
    return target
  }

  /** It is nowhere. */
  protected leaves(): void {
    this.#at?.left()
    this.#at = undefined
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
