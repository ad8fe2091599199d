import type { LoadVector } from '../gossip/types.ts'
import { choose } from '../placement/choose.ts'
import { WORKER_DEMAND, withDemand } from '../placement/cost.ts'
import { IDLE_MAX, MOVES_MAX, RESIDENCY_MS_MIN, USHER, USHERED_MAX } from '../placement/limits.ts'
import { expectedMoveMs, proposeMoves } from '../placement/rebalance.ts'
import type { Candidate, Movable, MoveProposal } from '../placement/types.ts'
import { proposeUsher } from '../placement/usher.ts'
import { type Random, randomInt, sample } from '../world.ts'
import { SimNode, type SimWorker } from './placement-node.ts'
import type { Trace } from './trace.ts'
import type { VirtualClock } from './virtual-clock.ts'

const NEWS_MS = 250
/** Between two rounds of a node, as by default in the configuration. */
export const ROUND_MS = 1_000
const SAMPLE = 3
const HYSTERESIS = 0.05
/** A move of which nothing is heard is given up after this. */
const LOST_MS = 5_000

export interface Weather {
  /** News takes up to this long, and this part of it is lost. */
  readonly newsDelayMsMax: number
  readonly newsLoss: number
  /** Parts of the moves that the target refuses, and that break off on the way. */
  readonly refused: number
  readonly lost: number
}

/** A worker that has come to a node. */
export interface Arrival {
  readonly worker: SimWorker
  readonly from: SimNode
  readonly to: SimNode
  readonly why: 'usher' | 'rebalance'
  readonly atMs: number
}

/** Nodes that place, rebalance and usher with the real core, on news that is late and gets lost. */
export class PlacementCluster {
  readonly nodes = new Map<string, SimNode>()
  readonly workers: SimWorker[] = []
  readonly arrivals: Arrival[] = []
  refused = 0
  lost = 0
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #trace: Trace
  readonly #weather: Weather

  constructor(
    components: { clock: VirtualClock; random: Random; trace: Trace },
    init: { weather: Weather },
  ) {
    this.#clock = components.clock
    this.#random = components.random
    this.#trace = components.trace
    this.#weather = init.weather
  }

  addNode(id: string, cores: number): SimNode {
    const node = new SimNode(id, cores)
    this.nodes.set(id, node)
    this.#clock.after(this.#random.next() * NEWS_MS, () => this.#tell(node))
    this.#clock.after(this.#random.next() * ROUND_MS, () => this.#round(node))
    return node
  }

  addWorker(node: SimNode, cpu: number, stateBytes: number): void {
    const id = `sim/${this.workers.length}`
    const stays = [{ node: node.id, sinceMs: this.#clock.nowMs() }]
    const worker: SimWorker = { id, cpu, stateBytes, stays }
    this.workers.push(worker)
    node.arrived(worker)
  }

  /** A request for a worker that does not exist yet reaches `by`, or a random node, which places it. */
  placeWorker(cpu: number, stateBytes: number, by?: SimNode): void {
    const all = [...this.nodes.values()]
    const at = by ?? all[randomInt(this.#random, all.length)]!
    const candidates = [this.#candidate(at, at), ...this.#peers(at)]
    const { chosen } = choose(candidates, WORKER_DEMAND, {
      random: this.#random,
      sample: SAMPLE,
      nMachines: this.nodes.size,
      local: at.id,
    })
    // No memory anywhere: the request is refused, and there is no worker.
    if (chosen === undefined) return
    const target = this.nodes.get(chosen)!
    this.addWorker(target, cpu, stateBytes)
    this.#countSent(at, target)
  }

  #tell(node: SimNode): void {
    const told = { load: node.tell(NEWS_MS), toldAtMs: this.#clock.nowMs() }
    node.heard.set(node.id, told)
    for (const peer of this.nodes.values()) {
      if (peer === node || this.#random.next() < this.#weather.newsLoss) continue
      this.#clock.after(this.#random.next() * this.#weather.newsDelayMsMax, () => {
        const known = peer.heard.get(node.id)
        if (!known || known.toldAtMs < told.toldAtMs) peer.heard.set(node.id, told)
      })
    }
    this.#clock.after(NEWS_MS, () => this.#tell(node))
  }

  /** As `Balancer` does it: ushering first. */
  #round(node: SimNode): void {
    const peers = this.#peers(node).filter(({ id }) => !node.busy.has(id))
    const self: Candidate = {
      ...this.#candidate(node, node),
      load: withoutLeaving(node),
      loadAgeMs: 0,
    }
    const workers = [...node.workers].filter((worker) => !node.leaving.has(worker))
    const movables = (some: readonly SimWorker[]): Movable[] =>
      some.map((worker) => this.#movable(worker))
    const ushered = proposeUsher(self, peers, movables(workers), {
      ...USHER,
      movesMax: USHERED_MAX,
    })
    const proposals =
      ushered.length > 0
        ? ushered
        : proposeMoves(self, peers, movables(sample(this.#random, workers, IDLE_MAX)), {
            random: this.#random,
            sample: SAMPLE,
            nMachines: this.nodes.size,
            hysteresis: HYSTERESIS,
            movesMax: MOVES_MAX,
            residencyMsMin: RESIDENCY_MS_MIN,
          })
    const why = ushered.length > 0 ? 'usher' : 'rebalance'
    for (const [to, batch] of Map.groupBy(proposals, (proposal) => proposal.to)) {
      this.#begin({ from: node, to: this.nodes.get(to)!, why }, workers, batch)
    }
    this.#clock.after(ROUND_MS * (0.8 + 0.4 * this.#random.next()), () => this.#round(node))
  }

  /** The moves of a pair, one after another; a target that refuses one refuses the rest. */
  #begin(
    way: Pick<Arrival, 'from' | 'to' | 'why'>,
    workers: readonly SimWorker[],
    batch: readonly MoveProposal[],
  ): void {
    const { from, to } = way
    const names = new Set(batch.map((proposal) => proposal.worker))
    const going = workers.filter((worker) => names.has(worker.id))
    from.busy.add(to.id)
    for (const worker of going) from.leaving.add(worker)
    const end = (): void => {
      from.busy.delete(to.id)
      for (const worker of going) from.leaving.delete(worker)
    }
    const next = (): void => {
      const worker = going[0]
      if (!worker) {
        end()
        return
      }
      if (this.#random.next() < this.#weather.refused || !to.reserve(worker)) {
        this.refused++
        end()
        return
      }
      if (this.#random.next() < this.#weather.lost) {
        this.lost++
        this.#clock.after(LOST_MS, end)
        return
      }
      const tookMs = expectedMoveMs(worker.stateBytes) * (0.5 + this.#random.next())
      this.#clock.after(tookMs, () => {
        going.shift()
        this.#move(worker, way)
        next()
      })
    }
    next()
  }

  #move(worker: SimWorker, way: Pick<Arrival, 'from' | 'to' | 'why'>): void {
    const { from, to } = way
    const atMs = this.#clock.nowMs()
    from.workers.delete(worker)
    from.leaving.delete(worker)
    to.arrived(worker)
    worker.stays.push({ node: to.id, sinceMs: atMs })
    this.#countSent(from, to)
    this.arrivals.push({ worker, ...way, atMs })
    this.#trace.add(`${atMs} ${worker.id} ${from.id} ${to.id} ${way.why}`)
  }

  #countSent(from: SimNode, to: SimNode): void {
    const times = from.sent.get(to.id) ?? []
    times.push(this.#clock.nowMs())
    from.sent.set(to.id, times)
  }

  #peers(node: SimNode): Candidate[] {
    return [...this.nodes.values()]
      .filter((peer) => peer !== node && node.heard.has(peer.id))
      .map((peer) => this.#candidate(node, peer))
  }

  #candidate(at: SimNode, of: SimNode): Candidate {
    const told = at.heard.get(of.id) ?? { load: of.own, toldAtMs: this.#clock.nowMs() }
    const sent = (at.sent.get(of.id) ?? []).filter((sentMs) => sentMs >= told.toldAtMs)
    at.sent.set(of.id, sent)
    return {
      id: of.id,
      load: told.load,
      loadAgeMs: this.#clock.nowMs() - told.toldAtMs,
      sentSince: sent.length,
      repel: 1,
    }
  }

  #movable({ id, cpu, stateBytes, stays }: SimWorker): Movable {
    return {
      id,
      demand: {
        cpu,
        loop: cpu,
        memoryBytes: stateBytes,
        requests: 0,
        connections: 0,
        workers: 1,
      },
      stateBytes,
      ageMs: this.#clock.nowMs() - stays.at(-1)!.sinceMs,
    }
  }
}

/** The load that it reckons with, as if those on their way out had gone. */
function withoutLeaving(node: SimNode): LoadVector {
  let load = node.own
  for (const { cpu, stateBytes } of node.leaving) {
    const demand = { ...WORKER_DEMAND, cpu, loop: cpu, memoryBytes: stateBytes }
    load = withDemand(load, demand, -1)
  }
  return load
}
