import { type Random, randomInt, seededRandom } from '../world.ts'
import type { SeedResult, SimArea } from './area.ts'
import { PlacementCluster, type SimNode } from './placement-cluster.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'

const SETTLE_MS = 20_000
/** A node that joined has its workers within this. */
const JOIN_MS = 10_000
const CALM_MS = 20_000
const STEP_MS = 100
/** Parts of the mean: what a newcomer must have, and what no node may exceed. */
const FAIR_MIN = 0.75
const CROWDED = 1.3
/** Moves of one worker in a run that show that it does not know where it belongs. */
const MOVES_PER_WORKER_MAX = 4
/** Back where it came from within this: the move was a mistake. A few in a thousand may be. */
const RETURN_MS = 10_000
const RETURNED_MAX = 0.01

/** Workers arrive, a node joins: shares, stampedes, convergence, ping-pong. */
export const placementArea = {
  name: 'placement',
  about: 'placing and rebalancing on late news: up to 12 nodes, one joins, up to 1,000 workers',
  runSeed(seed: number, { quick }: { quick: boolean }): SeedResult {
    return new PlacementRun(seed, quick).run()
  },
} satisfies SimArea

class PlacementRun {
  readonly #clock = new VirtualClock()
  readonly #trace = new Trace()
  readonly #random: Random
  readonly #cluster: PlacementCluster
  readonly #violations: string[] = []
  readonly #workersMax: number
  #crowdedMost = 0

  constructor(seed: number, quick: boolean) {
    this.#random = seededRandom(seed)
    this.#workersMax = 300 + randomInt(this.#random, quick ? 200 : 700)
    this.#cluster = new PlacementCluster(
      { clock: this.#clock, random: this.#random, trace: this.#trace },
      { newsDelayMsMax: 100 + this.#random.next() * 1_400, newsLoss: 0.2 * this.#random.next() },
    )
    const nodes = 2 + randomInt(this.#random, 10)
    for (let i = 1; i <= nodes; i++) this.#cluster.addNode(`n${i}`, 4)
  }

  run(): SeedResult {
    this.#arrive()
    this.#watch(SETTLE_MS)
    const beforeJoin = this.#cluster.moves
    const newcomer = this.#cluster.addNode('new', 4)
    this.#watch(JOIN_MS)
    this.#checkShare(newcomer)
    this.#watch(JOIN_MS)
    const settled = this.#cluster.moves
    this.#watch(CALM_MS)
    this.#checkCalm(this.#cluster.moves - settled)
    this.#checkPingPong()
    return {
      violations: this.#violations,
      stats: {
        workers: this.#cluster.workers.length,
        moves: this.#cluster.moves,
        movesForNewcomer: settled - beforeJoin,
        crowdedMost: this.#crowdedMost,
      },
      traceHash: this.#trace.hash(),
    }
  }

  /** Workers come over ten seconds; most are idle, a few are busy, sizes differ widely. */
  #arrive(): void {
    for (let i = 0; i < this.#workersMax; i++) {
      const cpu = this.#random.next() < 0.1 ? 0.02 * this.#random.next() : 0.0005
      const stateBytes = Math.floor(2 ** (10 + 10 * this.#random.next()))
      this.#clock.after(this.#random.next() * 10_000, () =>
        this.#cluster.placeWorker(cpu, stateBytes),
      )
    }
  }

  #watch(forMs: number): void {
    const untilMs = this.#clock.nowMs() + forMs
    const before = new Map(
      [...this.#cluster.nodes.values()].map((node) => [node, node.workers.size]),
    )
    while (this.#clock.nowMs() < untilMs) {
      this.#clock.runUntil(this.#clock.nowMs() + STEP_MS)
      for (const [node, had] of before) {
        // One that was fuller to begin with is allowed to empty in its own time.
        const most = Math.max(had, this.#crowd())
        this.#crowdedMost = Math.max(this.#crowdedMost, node.workers.size / this.#crowd())
        if (node.workers.size > most) this.#violate(`${node.id} has ${node.workers.size} workers`)
      }
    }
  }

  #checkShare(newcomer: SimNode): void {
    if (newcomer.workers.size >= FAIR_MIN * this.#mean()) return
    this.#violate(`the newcomer has only ${newcomer.workers.size} workers`)
  }

  #checkCalm(moves: number): void {
    if (moves > 0.02 * this.#cluster.workers.length) this.#violate(`${moves} moves in the calm`)
  }

  #checkPingPong(): void {
    let returned = 0
    for (const { id, stays } of this.#cluster.workers) {
      if (stays.length - 1 > MOVES_PER_WORKER_MAX)
        this.#violate(`${id} moved ${stays.length - 1} times`)
      for (let i = 2; i < stays.length; i++) {
        const from = stays[i - 2]!
        const back = stays[i]!
        if (back.node === from.node && back.sinceMs - stays[i - 1]!.sinceMs < RETURN_MS) returned++
      }
    }
    if (returned > RETURNED_MAX * this.#cluster.workers.length) {
      this.#violate(`${returned} workers went back where they came from at once`)
    }
  }

  /** A stampede is more than that: a part of the mean, and what chance does to small numbers. */
  #crowd(): number {
    return CROWDED * this.#mean() + 3 * Math.sqrt(this.#mean()) + 5
  }

  #mean(): number {
    return this.#cluster.workers.length / this.#cluster.nodes.size
  }

  #violate(what: string): void {
    const mean = this.#mean().toFixed(1)
    this.#violations.push(`${what} (mean ${mean}) at ${Math.round(this.#clock.nowMs())} ms`)
  }
}
