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
 *   so a newcomer is filled in a few rounds and not flooded in one. What must not be here any more
 *   goes at once.
 * - The part of a move that is left over is a matter of chance: many nodes that each want to send a
 *   third of a worker send about a third of them, not each one.
 * - A worker stays at least as long as moving it takes; what is on its way counts on both sides.
 *
 * What speaks for a place besides its machine (`affinity.ts`) is part of both costs. A node that
 * draws one of the workers is looked at beside those that chance picks.
 */
import type { LoadVector } from '../gossip/types.ts'
import { type Random, sample } from '../world.ts'
import { type Affinity, drawnTo, placeCost } from './affinity.ts'
import {
  costBase,
  discounted,
  type MeanLoad,
  machineCost,
  meanLoad,
  scaleOf,
  withDemand,
} from './cost.ts'
import { USHER } from './limits.ts'
import type { Candidate, CandidateCost, Demand, Movable, MoveProposal } from './types.ts'

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
  const scale = scaleOf(loads)
  const weighing: Weighing = {
    self,
    mean: meanLoad(loads)!,
    cost: (load) => machineCost(load, options.nMachines, scale),
    options,
  }
  let here = self.load
  let left = inOrder(
    workers.filter((worker) => mayGo(worker, self.id, options)).slice(0, WEIGHED_MAX),
    options,
  )
  const looked = look(self, peers, left, options)
  const proposals: MoveProposal[] = []
  for (const peer of looked) {
    const way = wayTo(peer, here, left, weighing)
    const must = way.filter(({ worker }) => isMisplaced(worker.affinity, self.id))
    const may = way.filter((step) => !must.includes(step))
    const part = share(may.length, looked.length, options.random)
    const going = [...must, ...may.slice(0, part)].slice(0, options.movesMax - proposals.length)
    for (const { worker, givenUp, added } of going) {
      const costs = costsOf(worker, looked, weighing)
      proposals.push({ worker: worker.id, to: peer.id, givenUp, added, costs })
      here = withDemand(here, worker.demand, -1)
    }
    const gone = new Set(proposals.map((proposal) => proposal.worker))
    left = left.filter((worker) => !gone.has(worker.id))
  }
  return proposals
}

/** Some peers by chance, and one that draws a worker. */
function look(
  self: Candidate,
  peers: readonly Candidate[],
  workers: readonly Movable[],
  options: RebalanceOptions,
): Candidate[] {
  const looked = sample(options.random, peers, options.sample)
  const drawing = new Set<string>()
  for (const { affinity } of workers) {
    const nodes = drawnTo(affinity)
    if (!nodes.includes(self.id)) for (const node of nodes) drawing.add(node)
  }
  const others = peers.filter((peer) => drawing.has(peer.id) && !looked.includes(peer))
  return [...looked, ...sample(options.random, others, 1)]
}

function mayGo(worker: Movable, self: string, options: RebalanceOptions): boolean {
  if (worker.cannotMove !== undefined) return false
  if (worker.stays && !isMisplaced(worker.affinity, self)) return false
  return worker.ageMs >= Math.max(options.residencyMsMin, expectedMoveMs(worker.stateBytes))
}

/** The configuration has changed: it must not be here any more. */
function isMisplaced(affinity: Affinity | undefined, self: string): boolean {
  return affinity?.whyNot?.(self) !== undefined
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
  readonly self: Candidate
  readonly mean: MeanLoad
  readonly cost: (load: LoadVector) => number
  readonly options: RebalanceOptions
}

interface Step {
  readonly worker: Movable
  readonly givenUp: number
  readonly added: number
}

/** The moves to `peer` up to the point where one more would not pay. */
function wayTo(
  peer: Candidate,
  from: LoadVector,
  workers: readonly Movable[],
  { self, mean, cost, options }: Weighing,
): Step[] {
  const { nMachines, hysteresis } = options
  const way: Step[] = []
  /** One of a class whose workers are to be apart: the next must know that this one has gone. */
  const spread = new Set<string>()
  let here = from
  let there = withSent(discounted(peer.load, peer.loadAgeMs, mean), peer.sentSince, workers)
  for (const worker of workers) {
    const { affinity, demand } = worker
    const without = withDemand(here, demand, -1)
    const withIt = withDemand(there, demand)
    if (!hasRoom(withIt) || affinity?.whyNot?.(peer.id) !== undefined) continue
    if (affinity?.others && spread.has(classOf(worker))) continue
    const givenUp = cost(here) - cost(without) + costToStay(affinity, self, nMachines)
    const added = (cost(withIt) - cost(there)) * peer.repel + placeCost(affinity, peer, nMachines)
    const moveShare = expectedMoveMs(worker.stateBytes) / PAYBACK_MS
    if (givenUp - added <= givenUp * (hysteresis + moveShare)) continue
    way.push({ worker, givenUp, added })
    if (affinity?.others) spread.add(classOf(worker))
    here = without
    there = withIt
  }
  return way
}

/** What the place here costs; more than any machine where the worker must not be. */
function costToStay(affinity: Affinity | undefined, self: Candidate, nMachines: number): number {
  const must = isMisplaced(affinity, self.id) ? 2 * costBase(nMachines) : 0
  return must + placeCost(affinity, self, nMachines)
}

/** All that were compared for the worker, this node first: to be explained. */
function costsOf(
  { affinity, demand }: Movable,
  looked: readonly Candidate[],
  { self, mean, cost, options }: Weighing,
): CandidateCost[] {
  const { nMachines } = options
  const told = (candidate: Candidate, marginal: number): CandidateCost => {
    const place = placeCost(affinity, candidate, nMachines)
    const { id, load, loadAgeMs } = candidate
    return { id, cost: cost(load), marginal, ...(place > 0 && { place }), loadAgeMs }
  }
  const without = withDemand(self.load, demand, -1)
  const costs = [told(self, cost(self.load) - cost(without))]
  for (const peer of looked) {
    const there = discounted(peer.load, peer.loadAgeMs, mean)
    const withIt = withDemand(there, demand)
    const why = affinity?.whyNot?.(peer.id) ?? (hasRoom(withIt) ? undefined : 'no memory')
    const marginal = (cost(withIt) - cost(there)) * peer.repel
    costs.push({ ...told(peer, marginal), ...(why !== undefined && { excluded: why }) })
  }
  return costs
}

function classOf({ id }: Movable): string {
  return id.slice(0, id.indexOf('/'))
}

/**
 * Room for it in memory, the one resource that kills when it runs out: not beyond the mark to which
 * ushering empties a machine, or what one sends away the other would send back.
 */
function hasRoom(load: LoadVector): boolean {
  return load.memoryBytes <= USHER.below * load.memoryBytesMax
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
