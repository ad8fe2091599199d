/** How the search for a worker's owner goes on after an error. */
import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Decision } from '../placement/types.ts'

/** Reasons that an operator is behind: draining, cordoned, `perNodeMax` of the class. */
const BY_OPERATOR = /^(?:draining|cordoned|has \d+ of at most )/
/** Of nodes that do not count: those that do may be away, and be back soon. */
const PINNED_ELSEWHERE = /^pinned to /

/** True when it is an operator who keeps the worker out everywhere, and no second look helps. */
export function isClosed({ candidates }: Decision): boolean {
  const reasons = candidates.map(({ excluded }) => excluded ?? '')
  const counted = reasons.filter((reason) => !PINNED_ELSEWHERE.test(reason))
  return counted.length > 0 && counted.every((reason) => BY_OPERATOR.test(reason))
}

/** Why each of the candidates would not have it: `n1: draining; n2: pinned to n3`. */
export function whyNone({ candidates }: Decision): string {
  const reasons = candidates.flatMap(({ id, excluded }) => (excluded ? [`${id}: ${excluded}`] : []))
  return reasons.length === 0 ? 'no node has told its load' : reasons.join('; ')
}

/** What one `resolve` has learned so far. */
export interface Search {
  /** Nodes that would not have the worker, and why. */
  readonly refused: Map<string, string>
  /** Those of them whose class is too old for its state. */
  readonly older: Map<string, AriesError>
}

/** No node is left whose class could open the worker: to look again does not help. */
export class NoNewerClass extends AriesError {
  constructor(older: AriesError) {
    super(older.code, older.message)
  }
}

export function isOlder(error: unknown): error is AriesError {
  return error instanceof AriesError && error.code === 'ARIES_E_CLASS_OLDER'
}

/** Errors after which a second look may find another situation. */
export function mayPass(error: unknown): boolean {
  return (
    error instanceof AriesError &&
    !(error instanceof NoNewerClass) &&
    (error.code === 'ARIES_E_CLASS_OLDER' ||
      error.code === 'ARIES_E_NOT_OWNER' ||
      error.code === 'ARIES_E_NO_TARGET' ||
      error.code === 'ARIES_E_NODE_UNREACHABLE' ||
      error.code === 'ARIES_E_FENCED')
  )
}

export function busy(why: string): AriesError {
  return new AriesError('ARIES_E_NO_TARGET', why)
}

export function classOlder(id: WorkerId, node: string): AriesError {
  return new AriesError(
    'ARIES_E_CLASS_OLDER',
    `the state of ${formatWorkerId(id)} was written by a newer version of its class than ${node} has`,
  )
}

export function notOwner(id: WorkerId, owner: string | undefined): AriesError {
  return new AriesError(
    'ARIES_E_NOT_OWNER',
    `${formatWorkerId(id)} belongs to ${owner ?? 'another node'}`,
  )
}
