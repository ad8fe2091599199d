/** The candidates of a choice, as `aries explain` shows them. */
import type { RequestChooser } from '../../placement/request-chooser.ts'
import type { TargetCost } from '../request-detail.ts'

/** Candidates that are written down; those that were compared come first. */
const CANDIDATES_MAX = 32

export interface Candidate {
  readonly slot: number
  readonly id: string
  /** It takes no new clients. */
  readonly drains: boolean
}

export interface Choice {
  readonly chooser: RequestChooser
  /** Slots that were compared. */
  readonly drawn: readonly number[]
  readonly tried: ReadonlySet<number> | undefined
  readonly nowMs: number
}

export function costsOf(candidates: readonly Candidate[], choice: Choice): TargetCost[] {
  const { chooser, drawn, nowMs } = choice
  const compared = new Set(drawn)
  const costs = candidates.map((candidate): TargetCost => {
    const { slot, id } = candidate
    const excluded = exclusion(candidate, choice)
    return {
      id,
      cost: chooser.cost(slot, nowMs),
      inFlight: chooser.loads.inFlight[slot]!,
      compared: compared.has(slot),
      ...(excluded !== undefined && { excluded }),
    }
  })
  return costs
    .sort((a, b) => Number(b.compared) - Number(a.compared) || a.cost - b.cost)
    .slice(0, CANDIDATES_MAX)
}

function exclusion(
  { slot, drains }: Candidate,
  { chooser, tried, nowMs }: Choice,
): TargetCost['excluded'] {
  if (tried?.has(slot) === true) return 'tried'
  if (drains) return 'drains'
  if (!chooser.isHealthy(slot)) return 'ill'
  return chooser.isFull(slot, nowMs) ? 'full' : undefined
}
