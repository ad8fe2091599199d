/**
 * Spreads many workers over the nodes that are left, by marginal cost, each one counted before the
 * next is placed: for a failover and a drain.
 */
import { type ChooseOptions, choose } from './choose.ts'
import { withDemand } from './cost.ts'
import type { Candidate, CandidateCost, Movable } from './types.ts'

export interface Assignment {
  readonly worker: string
  /** Undefined when no candidate may take it. */
  readonly to: string | undefined
  readonly costs: readonly CandidateCost[]
}

/** One assignment per worker, in the order given. */
export function spread(
  workers: readonly Pick<Movable, 'id' | 'demand'>[],
  candidates: readonly Candidate[],
  options: ChooseOptions,
): Assignment[] {
  const now = [...candidates]
  return workers.map(({ id, demand }) => {
    const { chosen, costs } = choose(now, demand, options)
    const at = now.findIndex((candidate) => candidate.id === chosen)
    const taken = now[at]
    if (taken) now[at] = { ...taken, load: withDemand(taken.load, demand) }
    return { worker: id, to: chosen, costs }
  })
}
