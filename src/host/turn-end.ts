/** What a turn that is over comes to: its record and the number of it, or the error that it ends in. */
import type { AriesError } from '../errors.ts'
import type { Held } from './gate.ts'
import type { LiveInstance } from './live-instance.ts'
import type { Turn } from './turn.ts'
import type { TurnCommits } from './turn-commits.ts'

type Outcome = Pick<Held, 'error' | 'ownSeq'>

/** A turn that ran alone; `failure`: it threw. */
export function endTurn(
  turn: Turn,
  failure: AriesError | undefined,
  parts: { instance: LiveInstance; commits: TurnCommits; stateBytesMax: number },
): Outcome {
  const { instance, commits, stateBytesMax } = parts
  let error = failure
  let ownSeq = 0
  const { fresh } = commits
  const touched = instance.state.touched || turn.migrates
  if (!error && (touched || !fresh)) error = commits.trouble(touched)
  if (!error) {
    try {
      ownSeq = commits.submit(instance.endTurn(turn, stateBytesMax), fresh, turn.migrates)
    } catch (unencodable) {
      error = instance.failure(unencodable)
    }
  }
  if (error) instance.undo(turn)
  return { error, ownSeq }
}

/** One of those that ran together; `last`: no other runs. */
export function endRead(
  last: boolean,
  failure: AriesError | undefined,
  { instance, commits }: { instance: LiveInstance; commits: TurnCommits },
): Outcome {
  let error = failure
  try {
    instance.endRead(failure !== undefined, last)
  } catch (changed) {
    error = instance.failure(changed)
  }
  const { fresh } = commits
  if (!error && !fresh) error = commits.trouble(false)
  if (!error) commits.confirm(fresh)
  return { error, ownSeq: 0 }
}
