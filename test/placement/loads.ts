import type { LoadVector } from '../../src/gossip/types.ts'
import type { Candidate, Demand, Movable } from '../../src/placement/types.ts'

/** The load of an idle machine with 4 cores and 1 GB, but for `given`. */
export function load(given: Partial<LoadVector> = {}): LoadVector {
  return {
    cpu: 0,
    cpuCapacity: 4,
    loop: 0,
    memoryBytes: 0,
    memoryBytesMax: 1e9,
    requests: 0,
    requestsMax: 1_000,
    connections: 0,
    connectionsMax: 10_000,
    ioBytesPerSecond: 0,
    workers: 0,
    classes: [],
    lagMs: 0,
    ...given,
  }
}

export function candidate(id: string, given: Partial<LoadVector> = {}): Candidate {
  return { id, load: load(given), loadAgeMs: 0, sentSince: 0, repel: 1 }
}

export const NOTHING: Demand = { cpu: 0, memoryBytes: 0, requests: 0, connections: 0, workers: 0 }

export function movable(id: string, demand: Partial<Demand> = {}): Movable {
  const stateBytes = demand.memoryBytes ?? 0
  return { id, demand: { ...NOTHING, workers: 1, ...demand }, stateBytes, ageMs: 60_000 }
}

export function movables(count: number, demand: Partial<Demand> = {}): Movable[] {
  return Array.from({ length: count }, (_, i) => movable(`counter/${i}`, demand))
}
