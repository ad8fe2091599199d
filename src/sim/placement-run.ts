import { RESIDENCY_MS_MIN } from '../placement/limits.ts'
import { type Random, randomInt, seededRandom } from '../world.ts'
import type { SeedResult } from './area.ts'
import { type Arrival, PlacementCluster, type Weather } from './placement-cluster.ts'
import type { SimNode } from './placement-node.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'

const STEP_MS = 100
/** Back where it came from within this: the move was a mistake. Of a hundred two may be. */
const RETURN_MS = 10_000
const RETURNED_MAX = 0.02

/** News late by at most this, with no move refused or lost: promises hold to the second. */
const FAIR_DELAY_MS_MAX = 1_500
const STORM_DELAY_MS_MAX = 5_000

/** One seed of the area: a cluster in some weather, and what was found wrong. */
export class PlacementRun {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly cluster: PlacementCluster
  readonly isStormy: boolean
  readonly quick: boolean
  readonly #trace = new Trace()
  readonly #violations: string[] = []
  readonly #stats: Record<string, number> = {}

  constructor(seed: number, quick: boolean) {
    this.quick = quick
    this.random = seededRandom(seed)
    this.isStormy = this.random.next() < 0.4
    this.cluster = new PlacementCluster(
      { clock: this.clock, random: this.random, trace: this.#trace },
      { weather: this.#weather() },
    )
  }

  /** How many times longer things may take: longer where news, moves and answers get lost. */
  get patience(): number {
    return this.isStormy ? 2.5 : 1
  }

  get nodes(): SimNode[] {
    return [...this.cluster.nodes.values()]
  }

  /** Workers on an average node. */
  get mean(): number {
    return this.cluster.workers.length / this.cluster.nodes.size
  }

  /** Adds nodes with the names `n1` and so on. */
  addNodes(count: number, cores = 4): SimNode[] {
    return Array.from({ length: count }, (_, i) => this.cluster.addNode(`n${i + 1}`, cores))
  }

  /** Lets time pass; `check` is called all the while. */
  watch(forMs: number, check: () => void = () => undefined): void {
    const untilMs = this.clock.nowMs() + forMs
    while (this.clock.nowMs() < untilMs) {
      this.clock.runUntil(this.clock.nowMs() + STEP_MS)
      check()
    }
  }

  /** Workers come over ten seconds; most are idle, a few are busy, sizes differ widely. */
  arrive(count: number): void {
    for (let i = 0; i < count; i++) {
      const { cpu, stateBytes } = this.drawWorker()
      this.clock.after(this.random.next() * 10_000, () => this.cluster.placeWorker(cpu, stateBytes))
    }
  }

  drawWorker(): { cpu: number; stateBytes: number } {
    return {
      cpu: this.random.next() < 0.1 ? 0.02 * this.random.next() : 0.0005,
      stateBytes: Math.floor(2 ** (10 + 10 * this.random.next())),
    }
  }

  between(least: number, most: number): number {
    return least + randomInt(this.random, most - least + 1)
  }

  violate(what: string): void {
    this.#violations.push(`${what} at ${Math.round(this.clock.nowMs())} ms`)
  }

  /** The largest of what was noted under that name. */
  note(name: string, value: number): void {
    this.#stats[name] = Math.max(this.#stats[name] ?? 0, value)
  }

  /** Moves since `sinceMs`, of those that `which` takes. */
  movesSince(sinceMs: number, which: (arrival: Arrival) => boolean = () => true): number {
    return this.cluster.arrivals.filter((one) => one.atMs >= sinceMs && which(one)).length
  }

  /** Every worker is on one node, the one where it came last. */
  checkWhole(): void {
    let count = 0
    for (const node of this.nodes) {
      for (const worker of node.workers) {
        count++
        if (worker.stays.at(-1)!.node !== node.id) this.violate(`${worker.id} is not where it went`)
      }
    }
    if (count !== this.cluster.workers.length) this.violate(`${count} workers are left`)
  }

  /** Nobody is moved for balance before news of its coming can have been heard. */
  checkResidency(): void {
    for (const { worker, why, atMs } of this.cluster.arrivals) {
      if (why !== 'rebalance') continue
      const at = worker.stays.findIndex(({ sinceMs }) => sinceMs === atMs)
      const stayedMs = atMs - worker.stays[at - 1]!.sinceMs
      if (stayedMs < RESIDENCY_MS_MIN) this.violate(`${worker.id} stayed for ${stayedMs} ms`)
    }
  }

  /** Workers that went back at once, and such as moved again and again. */
  checkPingPong(movesPerWorkerMax: number, returnedMax = RETURNED_MAX): void {
    let returned = 0
    for (const { id, stays } of this.cluster.workers) {
      this.note('movesPerWorkerMost', stays.length - 1)
      if (stays.length - 1 > movesPerWorkerMax)
        this.violate(`${id} moved ${stays.length - 1} times`)
      for (let i = 2; i < stays.length; i++) {
        const back = stays[i]!.node === stays[i - 2]!.node
        if (back && stays[i]!.sinceMs - stays[i - 1]!.sinceMs < RETURN_MS) returned++
      }
    }
    this.note('returnedPerThousand', (1_000 * returned) / this.cluster.workers.length)
    if (returned > returnedMax * this.cluster.workers.length + 2) {
      this.violate(`${returned} workers went back where they came from at once`)
    }
  }

  result(): SeedResult {
    const { workers, arrivals, refused, lost } = this.cluster
    const counts = { workers: workers.length, moves: arrivals.length, refused, lost }
    return {
      violations: this.#violations,
      stats: { ...counts, ...this.#stats },
      traceHash: this.#trace.hash(),
    }
  }

  #weather(): Weather {
    const { random } = this
    if (!this.isStormy) {
      const newsDelayMsMax = 100 + random.next() * (FAIR_DELAY_MS_MAX - 100)
      return { newsDelayMsMax, newsLoss: 0.2 * random.next(), refused: 0, lost: 0 }
    }
    return {
      newsDelayMsMax: random.next() * STORM_DELAY_MS_MAX,
      newsLoss: 0.5 * random.next(),
      refused: 0.1 * random.next(),
      lost: 0.02 * random.next(),
    }
  }
}
