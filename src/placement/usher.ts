/**
 * Memory ushering: when a node runs out of memory, balance does not matter any more. The smallest
 * worker that cures the shortage goes to the node that it fits best, so that large room is kept for
 * large workers. After Barak and Braverman, "Memory ushering in a scalable computing cluster", 1998.
 */
import type { LoadVector } from '../gossip/types.ts'
import { machineCost, marginalCost, scaleOf, withDemand } from './cost.ts'
import type { Candidate, Movable, MoveProposal } from './types.ts'

export interface UsherOptions {
  /** Part of the memory from which on workers must go. */
  readonly above: number
  /** Part of the memory to get down to, and the most that a target may be filled to. */
  readonly below: number
  readonly movesMax: number
}

/** Moves that bring this node's memory below the mark, as far as there are workers and room. */
export function proposeUsher(
  self: LoadVector,
  peers: readonly Candidate[],
  workers: readonly Movable[],
  options: UsherOptions,
): MoveProposal[] {
  if (self.memoryBytes <= options.above * self.memoryBytesMax) return []
  let excess = self.memoryBytes - options.below * self.memoryBytesMax
  const room = new Map(peers.map((peer) => [peer.id, roomOf(peer, options)]))
  const left = workers
    .filter((worker) => worker.cannotMove === undefined && worker.demand.memoryBytes > 0)
    .sort((a, b) => a.demand.memoryBytes - b.demand.memoryBytes)
  const proposals: MoveProposal[] = []
  while (excess > 0 && left.length > 0 && proposals.length < options.movesMax) {
    const cure = left.findIndex((worker) => worker.demand.memoryBytes >= excess)
    const [worker] = left.splice(cure < 0 ? left.length - 1 : cure, 1)
    const bytes = worker!.demand.memoryBytes
    const to = bestFit(room, bytes)
    if (to === undefined) continue
    proposals.push(proposal(worker!, self, peers.find((peer) => peer.id === to)!, peers.length + 1))
    room.set(to, room.get(to)! - bytes)
    excess -= bytes
  }
  return proposals
}

function proposal(
  worker: Movable,
  self: LoadVector,
  to: Candidate,
  nMachines: number,
): MoveProposal {
  const scale = scaleOf([self, to.load])
  const without = withDemand(self, worker.demand, -1)
  return {
    worker: worker.id,
    to: to.id,
    givenUp: machineCost(self, nMachines, scale) - machineCost(without, nMachines, scale),
    added: marginalCost(to, worker.demand, nMachines, scale),
  }
}

function roomOf(peer: Candidate, options: UsherOptions): number {
  return options.below * peer.load.memoryBytesMax - peer.load.memoryBytes
}

/** The peer with the least room that is enough. */
function bestFit(room: ReadonlyMap<string, number>, bytes: number): string | undefined {
  let best: string | undefined
  for (const [id, free] of room) {
    if (free >= bytes && (best === undefined || free < room.get(best)!)) best = id
  }
  return best
}
