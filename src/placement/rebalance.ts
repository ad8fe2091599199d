/**
 * Which workers should go where, as each node decides it for itself once a round.
 *
 * A worker goes when the cost that it gives up here exceeds what it adds there, by the hysteresis
 * and by the price of the move. What one node can know is old and what it does is done by others
 * too, at the same time, so it does not do all that looks right:
 *
 * - It looks at a few random peers only, and goes with each of them in thought towards the point
 *   where another move would not pay. Of the `m` moves on that way it proposes `m / (k + 1)`, k the
 *   peers looked at: a peer is looked at by about k nodes in a round, each sends half of its share,
 *   so a newcomer is filled in a few rounds and not flooded in one.
 * - The part of a move that is left over is a matter of chance: many nodes that each want to send a
 *   third of a worker send about a third of them, not each one.
 * - A worker stays at least as long as moving it takes; what is on its way counts on both sides.
 */
import type { LoadVector } from '../gossip/types.ts'
import { type Random, sample } from '../world.ts'
import { discounted, type MeanLoad, machineCost, meanLoad, scaleOf, withDemand } from './cost.ts'
import type { Candidate, Demand, Movable, MoveProposal } from './types.ts'

/** A move takes at least this, and copies at this rate: what it costs and how long one must stay. */
const MOVE_MS_MIN = 20
const MOVE_BYTES_PER_MS = 100_000
/** A move must have paid for itself within this time. */
const PAYBACK_MS = 30_000
/** Candidates for a move that are weighed in one round: bounds the work, not the result. */
const WEIGHED_MAX = 4_096

export interface RebalanceOptions {
  readonly random: Random
  /** Peers looked at in a round. */
  readonly sample: number
  readonly nMachines: number
  /** Least part of the given-up cost that a move must save. */
  readonly hysteresis: number
  /** Most moves proposed in a round, over all peers. */
  readonly movesMax: number
  /** A worker that was opened here more recently stays. */
  readonly residencyMsMin: number
}

/** How long moving a worker of that size is expected to take, in milliseconds. */
export function expectedMoveMs(stateBytes: number): number {
  return MOVE_MS_MIN + stateBytes / MOVE_BYTES_PER_MS
}

/**
 * Proposals of one round. `self` has this node's own, exact load without the workers on their way
 * out; `peers` those that may take work, `sentSince` counting the workers sent to them since their
 * last news; a peer to which a move is under way is left out. `workers` are those that live here.
 */
export function proposeMoves(
  self: Candidate,
  peers: readonly Candidate[],
  workers: readonly Movable[],
  options: RebalanceOptions,
): MoveProposal[] {
  const loads = [self.load, ...peers.map((peer) => peer.load)]
  const mean = meanLoad(loads)!
  const scale = scaleOf(loads)
  const looked = sample(options.random, peers, options.sample)
  const cost = (load: LoadVector): number => machineCost(load, options.nMachines, scale)
  let here = self.load
  let left = inOrder(
    workers.filter((worker) => mayGo(worker, options)).slice(0, WEIGHED_MAX),
    options,
  )
  const proposals: MoveProposal[] = []
  for (const peer of looked) {
    const way = wayTo(peer, here, left, { mean, cost, hysteresis: options.hysteresis })
    const quota = Math.min(
      share(way.length, looked.length, options.random),
      options.movesMax - proposals.length,
    )
    for (const { worker, proposal } of way.slice(0, quota)) {
      proposals.push(proposal)
      here = withDemand(here, worker.demand, -1)
    }
    const gone = new Set(proposals.map((proposal) => proposal.worker))
    left = left.filter((worker) => !gone.has(worker.id))
  }
  return proposals
}

function mayGo(worker: Movable, options: RebalanceOptions): boolean {
  if (worker.cannotMove !== undefined) return false
  return worker.ageMs >= Math.max(options.residencyMsMin, expectedMoveMs(worker.stateBytes))
}

/**
 * Those that use more CPU first, for few moves do much then; the rest by chance. What came lately
 * counts as idle: the same few busy ones would be sent round and round.
 */
function inOrder(workers: readonly Movable[], options: RebalanceOptions): Movable[] {
  const rank = ({ demand, ageMs }: Movable): number =>
    Math.round(demand.cpu * 1_000 * Math.min(1, ageMs / PAYBACK_MS))
  return sample(options.random, workers, workers.length).sort((a, b) => rank(b) - rank(a))
}

interface Weighing {
  readonly mean: MeanLoad
  readonly cost: (load: LoadVector) => number
  readonly hysteresis: number
}

/** The moves to `peer` up to the point where one more would not pay. */
function wayTo(
  peer: Candidate,
  from: LoadVector,
  workers: readonly Movable[],
  weighing: Weighing,
): { worker: Movable; proposal: MoveProposal }[] {
  const { cost, hysteresis } = weighing
  const way: { worker: Movable; proposal: MoveProposal }[] = []
  let here = from
  let there = withSent(
    discounted(peer.load, peer.loadAgeMs, weighing.mean),
    peer.sentSince,
    workers,
  )
  for (const worker of workers) {
    const without = withDemand(here, worker.demand, -1)
    const withIt = withDemand(there, worker.demand)
    if (!hasRoom(withIt)) continue
    const givenUp = cost(here) - cost(without)
    const added = (cost(withIt) - cost(there)) * peer.repel
    const moveShare = expectedMoveMs(worker.stateBytes) / PAYBACK_MS
    if (givenUp - added <= givenUp * (hysteresis + moveShare)) continue
    way.push({ worker, proposal: { worker: worker.id, to: peer.id, givenUp, added } })
    here = without
    there = withIt
  }
  return way
}

/** Room for it in memory: the one resource that kills when it runs out. */
function hasRoom(load: LoadVector): boolean {
  return load.memoryBytes < load.memoryBytesMax
}

/** What was sent there and is not in its news yet, taken as average workers of this node. */
function withSent(load: LoadVector, sent: number, workers: readonly Movable[]): LoadVector {
  if (sent === 0 || workers.length === 0) return load
  const total = { cpu: 0, loop: 0, memoryBytes: 0, requests: 0, connections: 0, workers: 0 }
  for (const { demand } of workers) {
    total.cpu += demand.cpu
    total.loop += demand.loop ?? 0
    total.memoryBytes += demand.memoryBytes
    total.requests += demand.requests
    total.connections += demand.connections
    total.workers += demand.workers
  }
  return withDemand(load, total satisfies Demand, sent / workers.length)
}

/** `moves / (looked + 1)`, the fraction rounded by chance. */
function share(moves: number, looked: number, random: Random): number {
  const exact = moves / (looked + 1)
  const whole = Math.floor(exact)
  return whole + (random.next() < exact - whole ? 1 : 0)
}
