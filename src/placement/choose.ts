/**
 * Where new work goes: to the one of a random few whose marginal cost is least. Only a few, because
 * a machine that everyone believes to be the least loaded is flooded before anyone hears of it.
 *
 * Memory is a limit besides: the one resource that kills when it runs out. A machine that is short of
 * it gets new work only when all are, and none that would have none left.
 */
import { type Random, sample } from '../world.ts'
import { type Affinity, drawnTo, placeCost } from './affinity.ts'
import {
  discounted,
  machineCost,
  marginalCost,
  meanLoad,
  type Scale,
  scaleOf,
  withDemand,
} from './cost.ts'
import { MEMORY_FULL, USHER } from './limits.ts'
import type { Candidate, CandidateCost, Demand } from './types.ts'

export interface ChooseOptions {
  readonly random: Random
  /** How many random candidates are compared; the local one comes on top. */
  readonly sample: number
  readonly nMachines: number
  /** Id of the node that decides: taken when nobody is cheaper. */
  readonly local?: string
  /** Ids that have refused this very work, and why. */
  readonly refused?: ReadonlyMap<string, string>
  /** Why a candidate must not be taken (`cordoned`, `draining`, `no room`); undefined: it may. */
  readonly excluded?: (id: string) => string | undefined
  /** What speaks for places besides their machines. */
  readonly affinity?: Affinity | undefined
}

export interface Choice {
  readonly chosen: string | undefined
  /** Those compared, cheapest first, then those excluded with the reason. */
  readonly costs: CandidateCost[]
}

/**
 * Picks the candidate to take `demand`; `chosen` is undefined when every one is excluded or has no
 * memory for it.
 */
export function choose(
  candidates: readonly Candidate[],
  demand: Demand,
  options: ChooseOptions,
): Choice {
  const scale = scaleOf(candidates.map((candidate) => candidate.load))
  const allowed: Candidate[] = []
  const excluded: CandidateCost[] = []
  const exclude = (candidate: Candidate, why: string): void => {
    excluded.push({ ...costOf(candidate, demand, options, scale), excluded: why })
  }
  for (const candidate of candidates) {
    const why = whyExcluded(candidate, options)
    if (why === undefined) allowed.push(candidate)
    else exclude(candidate, why)
  }
  const open = withRoom(allowed, demand)
  for (const candidate of allowed) if (!open.includes(candidate)) exclude(candidate, 'no memory')
  const mean = meanLoad(open.map((candidate) => candidate.load))
  const costs = draw(open, options).map((candidate) => {
    const load = discounted(candidate.load, candidate.loadAgeMs, mean!)
    return costOf({ ...candidate, load }, demand, options, scale)
  })
  // The draw is in random order and the sort is stable: ties are broken at random, local first.
  costs.sort((a, b) => a.marginal + (a.place ?? 0) - b.marginal - (b.place ?? 0))
  return { chosen: costs[0]?.id, costs: [...costs, ...excluded] }
}

function whyExcluded({ id }: Candidate, options: ChooseOptions): string | undefined {
  const refused = options.refused?.get(id)
  if (refused !== undefined) return `refused: ${refused}`
  return options.excluded?.(id) ?? options.affinity?.whyNot?.(id)
}

/** Those with room for it, and what was sent there since their news, to spare; else those with any. */
function withRoom(candidates: readonly Candidate[], demand: Demand): readonly Candidate[] {
  const below = (part: number): Candidate[] =>
    candidates.filter(({ load, sentSince }) => {
      const { memoryBytes, memoryBytesMax } = withDemand(load, demand, sentSince + 1)
      return memoryBytes <= part * memoryBytesMax
    })
  const roomy = below(USHER.below)
  return roomy.length > 0 ? roomy : below(MEMORY_FULL)
}

/** The local one, those that the work is drawn to, and some by chance. */
function draw(open: readonly Candidate[], options: ChooseOptions): Candidate[] {
  const { local, affinity, random } = options
  const first = open.find((candidate) => candidate.id === local)
  const others = open.filter((candidate) => candidate !== first)
  const drawing = new Set(drawnTo(affinity))
  const drawn = sample(
    random,
    others.filter(({ id }) => drawing.has(id)),
    options.sample,
  )
  const rest = sample(
    random,
    others.filter((candidate) => !drawn.includes(candidate)),
    options.sample,
  )
  return [...(first ? [first] : []), ...drawn, ...rest]
}

function costOf(
  candidate: Candidate,
  demand: Demand,
  { nMachines, affinity }: ChooseOptions,
  scale: Scale,
): CandidateCost {
  const place = placeCost(affinity, candidate, nMachines)
  return {
    id: candidate.id,
    cost: machineCost(candidate.load, nMachines, scale),
    marginal: marginalCost(candidate, demand, nMachines, scale),
    ...(place > 0 && { place }),
    loadAgeMs: candidate.loadAgeMs,
  }
}
