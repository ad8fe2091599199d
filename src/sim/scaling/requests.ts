import { type Random, seededRandom } from '../../world.ts'
import { Histogram } from '../histogram.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { BoardNews } from './board-news.ts'
import { type Sent, SimFront } from './front.ts'
import { Server } from './server.ts'

const CORES = 4
const SERVICE_MS = 20
/** Nodes for each front. */
const NODES_PER_FRONT = 32
/** A front writes its prices anew so often; real ones do five times as often. */
const REFRESH_MS = 250
/** For each node, until boards are full; then, until queues are as long as they get. */
const GOSSIP_MS_PER_NODE = 12
const GOSSIP_MS_MIN = 2_000
const QUEUES_MS = 5_000
const MEASURED_MS_MIN = 6_000

export interface ScalingInit {
  readonly nodes: number
  readonly seed: number
  /** Part of the capacity of each node that is offered. */
  readonly load: number
  /** Requests that are measured at least. */
  readonly requests: number
}

export interface ScalingResult {
  /** Requests answered in a second on a node. */
  readonly perNode: number
  readonly p99Ms: number
  readonly refused: number
  /** Ages of the news that choices were made on. */
  readonly ageP50Ms: number
  readonly ageP99Ms: number
}

/** Requests of fixed load per node, placed by fronts on the real boards with the real chooser. */
export function runRequests(init: ScalingInit): ScalingResult {
  return new RequestRun(init).run()
}

class RequestRun {
  readonly #clock = new VirtualClock()
  readonly #random: Random
  readonly #servers: Server[]
  readonly #fronts: SimFront[]
  readonly #news: BoardNews
  readonly #init: ScalingInit
  readonly #latencies = new Histogram()
  readonly #ages = new Histogram()
  readonly #perMs: number
  readonly #warmMs: number
  readonly #endMs: number
  #refused = 0

  constructor(init: ScalingInit) {
    const { nodes, load } = init
    this.#init = init
    this.#random = seededRandom(init.seed)
    this.#servers = Array.from({ length: nodes }, () => new Server({ cores: CORES, loop: false }))
    const fronts = Math.ceil(nodes / NODES_PER_FRONT)
    const components = { clock: this.#clock, random: this.#random }
    this.#news = new BoardNews(components, {
      nodes,
      fronts,
      loadOf: (node) => this.#servers[node]!.tell(this.#clock.nowMs()),
    })
    this.#fronts = Array.from({ length: fronts }, (_, at) => {
      return new SimFront({ news: this.#news, random: this.#random }, { member: nodes + at, nodes })
    })
    this.#perMs = (nodes * CORES * load) / SERVICE_MS
    this.#warmMs = Math.max(GOSSIP_MS_MIN, GOSSIP_MS_PER_NODE * nodes) + QUEUES_MS
    this.#endMs = this.#warmMs + Math.max(MEASURED_MS_MIN, init.requests / this.#perMs)
  }

  run(): ScalingResult {
    for (const [at, front] of this.#fronts.entries()) {
      const phaseMs = (REFRESH_MS * at) / this.#fronts.length
      this.#clock.after(this.#warmMs - QUEUES_MS - phaseMs, () => this.#refresh(front))
    }
    this.#clock.after(this.#warmMs - QUEUES_MS, () => this.#next())
    this.#clock.runUntil(this.#endMs)
    this.#sampleAges()
    const seconds = (this.#endMs - this.#warmMs) / 1_000
    return {
      perNode: this.#latencies.count / seconds / this.#init.nodes,
      p99Ms: this.#latencies.quantile(0.99),
      refused: this.#refused,
      ageP50Ms: this.#ages.quantile(0.5),
      ageP99Ms: this.#ages.quantile(0.99),
    }
  }

  #refresh(front: SimFront): void {
    front.refresh()
    this.#clock.after(REFRESH_MS, () => this.#refresh(front))
  }

  #next(): void {
    this.#arrive()
    this.#clock.after(-Math.log(1 - this.#random.next()) / this.#perMs, () => this.#next())
  }

  #arrive(): void {
    const front = this.#fronts[Math.floor(this.#random.next() * this.#fronts.length)]!
    front.line.push(this.#clock.nowMs())
    this.#advance(front)
  }

  /** Sends those who wait at the front for as long as there is a node with room. */
  #advance(front: SimFront): void {
    while (front.line.length > 0) {
      const nowMs = this.#clock.nowMs()
      const sent = front.send(nowMs)
      if (sent === undefined) return
      const beganMs = front.line.shift()!
      const server = this.#servers[sent.node]!
      if (server.isFull) {
        front.refused(sent, nowMs)
        if (beganMs >= this.#warmMs) this.#refused++
      } else server.arrive(nowMs, () => this.#serve(front, sent, beganMs))
    }
  }

  #serve(front: SimFront, sent: Sent, beganMs: number): void {
    const server = this.#servers[sent.node]!
    this.#clock.after(-SERVICE_MS * Math.log(1 - this.#random.next()), () => {
      const nowMs = this.#clock.nowMs()
      server.done(nowMs)
      front.answered(sent, nowMs, { requests: server.requests, threads: server.threads })
      if (nowMs >= this.#warmMs) this.#latencies.add(nowMs - beganMs)
      this.#advance(front)
    })
  }

  #sampleAges(): void {
    const { nodes } = this.#init
    for (let at = 0; at < this.#fronts.length; at++) {
      for (let node = 0; node < nodes; node++) {
        this.#ages.add(this.#news.ageMs(nodes + at, node))
      }
    }
  }
}
