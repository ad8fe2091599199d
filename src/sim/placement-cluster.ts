import type { LoadVector } from '../gossip/types.ts'
import { choose } from '../placement/choose.ts'
import { WORKER_DEMAND } from '../placement/cost.ts'
import { expectedMoveMs, proposeMoves } from '../placement/rebalance.ts'
import type { Candidate, Movable, MoveProposal } from '../placement/types.ts'
import { type Random, randomInt } from '../world.ts'
import type { Trace } from './trace.ts'
import type { VirtualClock } from './virtual-clock.ts'

const NEWS_MS = 200
const ROUND_MS = 1_000
const MOVES_MAX = 64
const RESIDENCY_MS_MIN = 3_000
const SAMPLE = 3
const HYSTERESIS = 0.1

export interface SimWorker {
  readonly id: string
  readonly cpu: number
  readonly stateBytes: number
  /** Where it has been, and since when, in order. */
  readonly stays: { readonly node: string; readonly sinceMs: number }[]
}

interface Told {
  readonly load: LoadVector
  readonly toldAtMs: number
}

/** A node as it is, and what it believes of the others. */
export class SimNode {
  readonly id: string
  readonly cpuCapacity: number
  readonly workers = new Set<SimWorker>()
  readonly heard = new Map<string, Told>()
  /** Times at which this node sent a worker to a peer. */
  readonly sent = new Map<string, number[]>()
  /** Peers to which a batch of moves is under way, and the workers of it. */
  readonly busy = new Set<string>()
  readonly leaving = new Set<SimWorker>()

  constructor(id: string, cpuCapacity: number) {
    this.id = id
    this.cpuCapacity = cpuCapacity
  }

  load(): LoadVector {
    let cpu = 0.05
    let memoryBytes = 50_000_000
    for (const worker of this.workers) {
      cpu += worker.cpu
      memoryBytes += worker.stateBytes
    }
    return {
      cpu: Math.min(cpu, this.cpuCapacity),
      cpuCapacity: this.cpuCapacity,
      loop: 0,
      memoryBytes,
      memoryBytesMax: 2_000_000_000,
      requests: 0,
      requestsMax: 1_000,
      connections: 0,
      connectionsMax: 10_000,
      ioBytesPerSecond: 0,
      workers: this.workers.size,
      classes: [],
      lagMs: 0,
    }
  }
}

export interface PlacementInit {
  /** News takes up to this long, and this part of it is lost. */
  readonly newsDelayMsMax: number
  readonly newsLoss: number
}

/** Nodes that place and rebalance with the real core, on news that is late and gets lost. */
export class PlacementCluster {
  readonly nodes = new Map<string, SimNode>()
  readonly workers: SimWorker[] = []
  moves = 0
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #trace: Trace
  readonly #init: PlacementInit

  constructor(
    components: { clock: VirtualClock; random: Random; trace: Trace },
    init: PlacementInit,
  ) {
    this.#clock = components.clock
    this.#random = components.random
    this.#trace = components.trace
    this.#init = init
  }

  addNode(id: string, cpuCapacity: number): SimNode {
    const node = new SimNode(id, cpuCapacity)
    this.nodes.set(id, node)
    this.#clock.after(this.#random.next() * NEWS_MS, () => this.#tell(node))
    this.#clock.after(this.#random.next() * ROUND_MS, () => this.#round(node))
    return node
  }

  addWorker(node: SimNode, cpu: number, stateBytes: number): void {
    const id = `w${this.workers.length}`
    const stays = [{ node: node.id, sinceMs: this.#clock.nowMs() }]
    const worker: SimWorker = { id, cpu, stateBytes, stays }
    this.workers.push(worker)
    node.workers.add(worker)
  }

  /** A request for a worker that does not exist yet reaches a random node, which places it. */
  placeWorker(cpu: number, stateBytes: number): void {
    const all = [...this.nodes.values()]
    const at = all[randomInt(this.#random, all.length)]!
    const candidates = [this.#candidate(at, at), ...this.#peers(at)]
    const { chosen } = choose(candidates, WORKER_DEMAND, {
      random: this.#random,
      sample: SAMPLE,
      nMachines: this.nodes.size,
      local: at.id,
    })
    const target = this.nodes.get(chosen!)!
    this.addWorker(target, cpu, stateBytes)
    if (target !== at) this.#countSent(at, target)
  }

  #tell(node: SimNode): void {
    const told: Told = { load: node.load(), toldAtMs: this.#clock.nowMs() }
    node.heard.set(node.id, told)
    for (const peer of this.nodes.values()) {
      if (peer === node || this.#random.next() < this.#init.newsLoss) continue
      this.#clock.after(this.#random.next() * this.#init.newsDelayMsMax, () => {
        const known = peer.heard.get(node.id)
        if (!known || known.toldAtMs < told.toldAtMs) peer.heard.set(node.id, told)
      })
    }
    this.#clock.after(NEWS_MS, () => this.#tell(node))
  }

  #round(node: SimNode): void {
    const workers = [...node.workers].filter((worker) => !node.leaving.has(worker))
    const peers = this.#peers(node).filter(({ id }) => !node.busy.has(id))
    const proposals = proposeMoves(
      this.#candidate(node, node),
      peers,
      workers.map((worker) => this.#movable(worker)),
      {
        random: this.#random,
        sample: SAMPLE,
        nMachines: this.nodes.size,
        hysteresis: HYSTERESIS,
        movesMax: MOVES_MAX,
        residencyMsMin: RESIDENCY_MS_MIN,
      },
    )
    for (const [to, batch] of Map.groupBy(proposals, (proposal) => proposal.to)) {
      this.#begin(node, this.nodes.get(to)!, workers, batch)
    }
    this.#clock.after(ROUND_MS * (0.8 + 0.4 * this.#random.next()), () => this.#round(node))
  }

  /** The moves of a pair, one after another. */
  #begin(from: SimNode, to: SimNode, workers: SimWorker[], batch: readonly MoveProposal[]): void {
    const names = new Set(batch.map((proposal) => proposal.worker))
    const going = workers.filter((worker) => names.has(worker.id))
    from.busy.add(to.id)
    for (const worker of going) from.leaving.add(worker)
    const next = (): void => {
      const worker = going.shift()
      if (!worker) {
        from.busy.delete(to.id)
        return
      }
      const tookMs = expectedMoveMs(worker.stateBytes) * (0.5 + this.#random.next())
      this.#clock.after(tookMs, () => {
        this.#move(worker, from, to)
        next()
      })
    }
    next()
  }

  #move(worker: SimWorker, from: SimNode, to: SimNode): void {
    from.workers.delete(worker)
    from.leaving.delete(worker)
    to.workers.add(worker)
    worker.stays.push({ node: to.id, sinceMs: this.#clock.nowMs() })
    this.#countSent(from, to)
    this.moves++
    this.#trace.add(`${this.#clock.nowMs()} ${worker.id} ${from.id} ${to.id}`)
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
    const told = at.heard.get(of.id) ?? { load: of.load(), toldAtMs: this.#clock.nowMs() }
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

  #movable(worker: SimWorker): Movable {
    return {
      id: worker.id,
      demand: {
        cpu: worker.cpu,
        memoryBytes: worker.stateBytes,
        requests: 0,
        connections: 0,
        workers: 1,
      },
      stateBytes: worker.stateBytes,
      ageMs: this.#clock.nowMs() - worker.stays.at(-1)!.sinceMs,
    }
  }
}
