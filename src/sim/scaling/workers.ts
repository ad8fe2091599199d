import { MOVES_MAX, RESIDENCY_MS_MIN } from '../../placement/limits.ts'
import { expectedMoveMs, proposeMoves } from '../../placement/rebalance.ts'
import type { Candidate, Movable } from '../../placement/types.ts'
import { type Random, randomInt, seededRandom } from '../../world.ts'
import { Histogram } from '../histogram.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { BoardNews } from './board-news.ts'
import type { ScalingInit, ScalingResult } from './requests.ts'
import { Server } from './server.ts'

const CORES = 4
const SERVICE_MS = 5
const WORKERS_PER_NODE = 50
const STATE_BYTES = 100_000
/** As a node does it, with the defaults of `placement:`. */
const ROUND_MS = 1_000
const CANDIDATES = 3
const HYSTERESIS = 0.05
/** Boards fill, workers find their places; then requests come, and after a while they are measured. */
const SETTLE_MS = 40_000
const WARM_UP_MS = 3_000
const MEASURED_MS_MIN = 5_000

interface Stay {
  node: number
  sinceMs: number
  isMoving: boolean
  /** Core that it uses. */
  readonly cpu: number
}

/**
 * Workers of very different rates, thrown onto the nodes by chance, rebalanced with the real core;
 * then requests to them. `load`: of the event loop that the workers of a node share.
 */
export function runWorkers(init: ScalingInit): ScalingResult & { readonly moves: number } {
  return new WorkerRun(init).run()
}

class WorkerRun {
  readonly #clock = new VirtualClock()
  readonly #random: Random
  readonly #servers: Server[]
  readonly #workers: Stay[]
  readonly #byNode: Set<number>[]
  /** Sums of the rates up to each worker: to draw one by its rate. */
  readonly #ranks: Float64Array
  readonly #news: BoardNews
  readonly #init: ScalingInit
  /** By node and peer: number of the load that it had heard of, and workers sent since. */
  readonly #sent = new Map<number, { number: number; count: number }>()
  readonly #busy = new Set<number>()
  readonly #latencies = new Histogram()
  readonly #ages = new Histogram()
  #moves = 0
  #refused = 0

  constructor(init: ScalingInit) {
    const { nodes, load } = init
    this.#init = init
    this.#random = seededRandom(init.seed)
    this.#servers = Array.from({ length: nodes }, () => new Server({ cores: CORES, loop: true }))
    this.#byNode = Array.from({ length: nodes }, () => new Set<number>())
    const rates = Array.from(
      { length: nodes * WORKERS_PER_NODE },
      () => -Math.log(1 - this.#random.next()),
    )
    const sum = rates.reduce((all, rate) => all + rate, 0)
    this.#ranks = Float64Array.from(rates)
    for (let i = 1; i < rates.length; i++) this.#ranks[i]! += this.#ranks[i - 1]!
    this.#workers = rates.map((rate, id) => {
      const node = randomInt(this.#random, nodes)
      const cpu = (rate / sum) * nodes * load
      this.#byNode[node]!.add(id)
      this.#servers[node]!.arrived(cpu)
      return { node, sinceMs: 0, isMoving: false, cpu }
    })
    this.#news = new BoardNews(
      { clock: this.#clock, random: this.#random },
      { nodes, fronts: 0, loadOf: (node) => this.#servers[node]!.tell(this.#clock.nowMs()) },
    )
  }

  run(): ScalingResult & { readonly moves: number } {
    const { nodes, load, requests } = this.#init
    const perMs = (nodes * load) / SERVICE_MS
    const measuredMs = Math.max(MEASURED_MS_MIN, requests / perMs)
    for (let node = 0; node < nodes; node++) {
      this.#clock.after(this.#random.next() * ROUND_MS, () => this.#round(node))
    }
    this.#next(perMs)
    this.#clock.runUntil(SETTLE_MS + WARM_UP_MS + measuredMs)
    return {
      perNode: this.#latencies.count / (measuredMs / 1_000) / nodes,
      p99Ms: this.#latencies.quantile(0.99),
      refused: this.#refused,
      ageP50Ms: this.#ages.quantile(0.5),
      ageP99Ms: this.#ages.quantile(0.99),
      moves: this.#moves,
    }
  }

  #next(perMs: number): void {
    this.#clock.after(-Math.log(1 - this.#random.next()) / perMs, () => {
      this.#arrive(this.#workers[this.#draw()]!)
      this.#next(perMs)
    })
  }

  #draw(): number {
    const rank = this.#random.next() * this.#ranks.at(-1)!
    let low = 0
    let high = this.#ranks.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ranks[middle]! < rank) low = middle + 1
      else high = middle
    }
    return low
  }

  #arrive({ node }: Stay): void {
    const server = this.#servers[node]!
    const beganMs = this.#clock.nowMs()
    const isMeasured = (): boolean => this.#clock.nowMs() >= SETTLE_MS + WARM_UP_MS
    if (server.isFull) {
      if (isMeasured()) this.#refused++
      return
    }
    server.arrive(beganMs, () => {
      this.#clock.after(-SERVICE_MS * Math.log(1 - this.#random.next()), () => {
        server.done(this.#clock.nowMs())
        if (isMeasured()) this.#latencies.add(this.#clock.nowMs() - beganMs)
      })
    })
  }

  #round(node: number): void {
    const nowMs = this.#clock.nowMs()
    const peers: Candidate[] = []
    for (let peer = 0; peer < this.#init.nodes; peer++) {
      const load = this.#news.load(node, peer)
      if (peer === node || load === undefined || this.#busy.has(this.#pair(node, peer))) continue
      const sentSince = this.#sentSince(node, peer)
      const loadAgeMs = this.#news.ageMs(node, peer)
      peers.push({ id: String(peer), load, loadAgeMs, sentSince, repel: 1 })
    }
    const own = { load: this.#servers[node]!.own, loadAgeMs: 0, sentSince: 0, repel: 1 }
    const proposals = proposeMoves({ id: String(node), ...own }, peers, this.#movables(node), {
      random: this.#random,
      sample: CANDIDATES,
      nMachines: this.#init.nodes,
      hysteresis: HYSTERESIS,
      movesMax: MOVES_MAX,
      residencyMsMin: RESIDENCY_MS_MIN,
    })
    for (const [to, batch] of Map.groupBy(proposals, (proposal) => Number(proposal.to))) {
      this.#ages.add(this.#news.ageMs(node, to))
      this.#begin(
        node,
        to,
        batch.map(({ worker }) => Number(worker)),
      )
    }
    const delayMs = ROUND_MS * (0.8 + 0.4 * this.#random.next())
    this.#clock.after(nowMs + delayMs - this.#clock.nowMs(), () => this.#round(node))
  }

  #movables(node: number): Movable[] {
    const nowMs = this.#clock.nowMs()
    const movables: Movable[] = []
    for (const id of this.#byNode[node]!) {
      const { cpu, sinceMs, isMoving } = this.#workers[id]!
      if (isMoving) continue
      movables.push({
        id: String(id),
        demand: {
          cpu,
          loop: cpu,
          memoryBytes: STATE_BYTES,
          requests: 0,
          connections: 0,
          workers: 1,
        },
        stateBytes: STATE_BYTES,
        ageMs: nowMs - sinceMs,
      })
    }
    return movables
  }

  /** The moves of a pair, one after another. */
  #begin(from: number, to: number, ids: number[]): void {
    this.#busy.add(this.#pair(from, to))
    for (const id of ids) this.#workers[id]!.isMoving = true
    const next = (): void => {
      const id = ids.shift()
      if (id === undefined) {
        this.#busy.delete(this.#pair(from, to))
        return
      }
      this.#clock.after(expectedMoveMs(STATE_BYTES), () => {
        this.#move(id, from, to)
        next()
      })
    }
    next()
  }

  #move(id: number, from: number, to: number): void {
    const worker = this.#workers[id]!
    this.#byNode[from]!.delete(id)
    this.#byNode[to]!.add(id)
    this.#servers[from]!.workers--
    this.#servers[to]!.arrived(worker.cpu)
    worker.node = to
    worker.sinceMs = this.#clock.nowMs()
    worker.isMoving = false
    this.#moves++
    const count = this.#sentSince(from, to) + 1
    this.#sent.set(this.#pair(from, to), { number: this.#news.number(from, to), count })
  }

  #sentSince(from: number, to: number): number {
    const sent = this.#sent.get(this.#pair(from, to))
    return sent?.number === this.#news.number(from, to) ? sent.count : 0
  }

  #pair(from: number, to: number): number {
    return from * this.#init.nodes + to
  }
}
