/**
 * Memory ushering: when a node runs out of memory, balance does not matter any more. The smallest
 * worker that cures the shortage goes to the node that it fits best, so that large room is kept for
 * large workers. After Barak and Braverman, "Memory ushering in a scalable computing cluster", 1998.
 */
import type { LoadVector } from '../gossip/types.ts'
import { machineCost, marginalCost, scaleOf, withDemand } from './cost.ts'
import type { Candidate, CandidateCost, Movable, MoveProposal } from './types.ts'

/** Peers that a decision is explained with. */
const TOLD_MAX = 8

export interface UsherOptions {
  /** Part of the memory from which on workers must go. */
  readonly above: number
  /** Part of the memory to get down to, and the most that a target may be filled to. */
  readonly below: number
  readonly movesMax: number
}

/**
 * Moves that bring this node's memory below the mark, as far as there are workers and room. `self` has
 * its load without the workers on their way out.
 */
export function proposeUsher(
  self: Candidate,
  peers: readonly Candidate[],
  workers: readonly Movable[],
  options: UsherOptions,
): MoveProposal[] {
  const { memoryBytes, memoryBytesMax } = self.load
  if (memoryBytes <= options.above * memoryBytesMax) return []
  let excess = memoryBytes - options.below * memoryBytesMax
  const room = new Map(peers.map((peer) => [peer, roomOf(peer, options)]))
  const left = workers
    .filter((worker) => worker.cannotMove === undefined && worker.demand.memoryBytes > 0)
    .sort((a, b) => a.demand.memoryBytes - b.demand.memoryBytes)
  const proposals: MoveProposal[] = []
  while (excess > 0 && left.length > 0 && proposals.length < options.movesMax) {
    const cure = left.findIndex((worker) => worker.demand.memoryBytes >= excess)
    const [worker] = left.splice(cure < 0 ? left.length - 1 : cure, 1)
    const bytes = worker!.demand.memoryBytes
    const to = bestFit(room, worker!)
    if (to === undefined) continue
    proposals.push(proposal(worker!, self, to, room))
    room.set(to, room.get(to)! - bytes)
    excess -= bytes
  }
  return proposals
}

type Room = ReadonlyMap<Candidate, number>

function proposal(worker: Movable, self: Candidate, to: Candidate, room: Room): MoveProposal {
  const peers = [...room.keys()]
  const nMachines = peers.length + 1
  const scale = scaleOf([self, ...peers].map(({ load }) => load))
  const cost = (load: LoadVector): number => machineCost(load, nMachines, scale)
  const without = withDemand(self.load, worker.demand, -1)
  const givenUp = cost(self.load) - cost(without)
  const added = marginalCost(to, worker.demand, nMachines, scale)
  const { id, load, loadAgeMs } = self
  const costs: CandidateCost[] = [{ id, cost: cost(load), marginal: givenUp, loadAgeMs }]
  // The target first: of many peers a few are told of.
  for (const peer of [to, ...peers.filter((each) => each !== to)].slice(0, TOLD_MAX)) {
    const why = whyNot(worker, peer, room.get(peer)!)
    costs.push({
      id: peer.id,
      cost: cost(peer.load),
      marginal: marginalCost(peer, worker.demand, nMachines, scale),
      loadAgeMs: peer.loadAgeMs,
      ...(why !== undefined && { excluded: why }),
    })
  }
  return { worker: worker.id, to: to.id, givenUp, added, costs }
}

function whyNot(worker: Movable, peer: Candidate, free: number): string | undefined {
  const no = worker.affinity?.whyNot?.(peer.id)
  if (no !== undefined) return no
  return free < worker.demand.memoryBytes ? 'no memory' : undefined
}

function roomOf(peer: Candidate, options: UsherOptions): number {
  return options.below * peer.load.memoryBytesMax - peer.load.memoryBytes
}

/** The peer with the least room that is enough. */
function bestFit(room: Room, worker: Movable): Candidate | undefined {
  let best: Candidate | undefined
  for (const [peer, free] of room) {
    if (whyNot(worker, peer, free) !== undefined) continue
    if (best === undefined || free < room.get(best)!) best = peer
  }
  return best
}
