/**
 * What happens to the simulated cluster, and what must hold meanwhile and afterwards. The bounds are
 * a margin above what a thousand seeds showed; `test/sim/placement-bugs.ts` has changes to the core
 * that each of them finds.
 */
import { USHER } from '../placement/limits.ts'
import { ROUND_MS } from './placement-cluster.ts'
import { MEMORY_BYTES_MAX, type SimNode } from './placement-node.ts'
import type { PlacementRun } from './placement-run.ts'

export interface Scene {
  readonly name: string
  readonly run: (run: PlacementRun) => void
}

/** Until everybody has heard of everybody: before, those few that are known get all. */
const COLD_MS = 2_000
const SETTLE_MS = 20_000
/** In fair weather everybody has heard of something by then, and what was under way has arrived. */
const KNOWN_MS = 3_000
const CALM_MS = 20_000
/** Parts of the mean: what a node must have in the end, and what no node may exceed. */
const FAIR_MIN = 0.75
const CROWDED = 1.3
/** Part of the memory that nobody fills a node beyond while news is not too late. */
const FILLED_MAX = USHER.below + 0.03
/** Of many that begin at once: the most that come to one node, as a part of the mean. */
const BURST_MAX = 1.6

/** A node joins: it is carrying its share soon, and is not flooded on the way. */
const join: Scene = {
  name: 'join',
  run(run) {
    run.addNodes(run.between(2, 11))
    run.arrive(run.between(300, run.quick ? 500 : 1_000))
    watchCrowds(run, SETTLE_MS)
    const newcomer = run.cluster.addNode('new', 4)
    const joinedMs = run.clock.nowMs()
    watchCrowds(run, 10_000 * run.patience)
    checkShare(run, newcomer)
    checkPace(run, newcomer, joinedMs)
    watchCrowds(run, 10_000 * run.patience)
    checkCalm(run)
    run.checkPingPong(run.isStormy ? 8 : 6)
  },
}

/** All workers are on one node: they are spread within some rounds, each moving about once. */
const skew: Scene = {
  name: 'skew',
  run(run) {
    const nodes = run.addNodes(run.between(3, 10))
    const count = run.between(200, run.quick ? 400 : 800)
    for (let i = 0; i < count; i++) {
      const { cpu, stateBytes } = run.drawWorker()
      run.cluster.addWorker(nodes[0]!, cpu, stateBytes)
    }
    const rounds = (15 + count / 40) * run.patience
    run.watch(rounds * ROUND_MS)
    for (const node of run.nodes) checkShare(run, node)
    const most = Math.max(...run.nodes.map(({ workers }) => workers.size))
    run.note('skewCrowd', most / crowd(run))
    if (most > crowd(run)) run.violate(`${most} workers are still on one node (mean ${run.mean})`)
    const moves = run.movesSince(0) / count
    run.note('skewMovesPerWorker', moves)
    if (moves > 1.8) run.violate(`${moves.toFixed(2)} moves for each worker`)
    checkCalm(run)
    run.checkPingPong(run.isStormy ? 8 : 6)
  },
}

/** Something else takes most of one machine's CPU, and then of another's: workers make way, no more. */
const antagonist: Scene = {
  name: 'antagonist',
  run(run) {
    const nodes = run.addNodes(run.between(3, 8))
    for (let i = 0; i < nodes.length * 20; i++) {
      run.cluster.placeWorker(0.005 + 0.03 * run.random.next(), 100_000)
    }
    run.watch(SETTLE_MS)
    const beganMs = run.clock.nowMs()
    const hops = run.between(2, 5)
    for (let hop = 0; hop < hops; hop++) {
      const node = nodes[run.between(0, nodes.length - 1)]!
      const before = node.workersCpu
      node.otherCpu = run.between(10, 20)
      const isLong = run.random.next() < 0.5
      run.watch(isLong ? 12_000 * run.patience : 500 + 2_500 * run.random.next())
      const left = node.workersCpu / before
      if (isLong) {
        run.note('leftAtAntagonist', left)
        if (left > 0.7) run.violate(`${node.id} keeps ${left.toFixed(2)} of its work`)
      }
      node.otherCpu = 0
      if (isLong) run.watch(15_000 * run.patience)
    }
    run.watch(10_000 * run.patience)
    const mean = nodes.reduce((sum, node) => sum + node.workersCpu, 0) / nodes.length
    for (const node of nodes) {
      run.note('unfilled', 1 - node.workersCpu / mean)
      if (node.workersCpu < 0.5 * mean) run.violate(`${node.id} is not filled again`)
    }
    // Away and back, some twice; the others make room.
    const moves = run.movesSince(beganMs) / (hops * 20)
    run.note('movesPerHop', moves)
    if (moves > (run.isStormy ? 7 : 3))
      run.violate(`${moves.toFixed(2)} moves for each worker of a node and hop`)
    checkCalm(run)
    run.checkPingPong(2 * hops + 4, run.isStormy ? 0.3 : 0.05)
  },
}

/** Memory of a node runs out where every other CPU is busy: workers leave it all the same. */
const hog: Scene = {
  name: 'hog',
  run(run) {
    const nodes = run.addNodes(run.between(3, 8))
    for (let i = 0; i < nodes.length * 40; i++) {
      run.cluster.placeWorker(0.002, 1_000_000 * run.between(1, 15))
    }
    run.watch(SETTLE_MS)
    const [full, ...others] = nodes as [SimNode, ...SimNode[]]
    for (const node of others) node.otherCpu = 3.6
    others[0]!.otherBytes = 0.77 * MEMORY_BYTES_MAX - others[0]!.memoryBytes
    run.watch(5_000)
    // They take seconds to move: what is on its way out must not be taken for what is still there.
    if (run.random.next() < 0.5) {
      run.cluster.addWorker(full, 0.002, 0.2 * MEMORY_BYTES_MAX)
      run.cluster.addWorker(full, 0.002, 0.28 * MEMORY_BYTES_MAX)
    }
    const workersBytes = full.memoryBytes - full.otherBytes
    full.otherBytes = 0.97 * MEMORY_BYTES_MAX - workersBytes
    const beganMs = run.clock.nowMs()
    const isFull = (): boolean => full.memoryBytes > USHER.above * MEMORY_BYTES_MAX
    let curedMs: number | undefined
    run.watch(20_000 * run.patience, () => {
      if (curedMs === undefined && !isFull()) curedMs = run.clock.nowMs() - beganMs
      // Some still send what they decided on news from before, in a storm for long.
      const isKnown = run.clock.nowMs() - beganMs > KNOWN_MS
      const isRelapse = curedMs !== undefined && isFull() && isKnown && !run.isStormy
      if (isRelapse) run.violate(`${full.id} is full again`)
      for (const node of others) {
        run.note('filledMost', node.memoryBytes / MEMORY_BYTES_MAX)
        if (node.memoryBytes > (run.isStormy ? USHER.above : FILLED_MAX) * MEMORY_BYTES_MAX)
          run.violate(`${node.id} was filled up`)
      }
    })
    run.note('curedMs', curedMs ?? 1e6)
    if (curedMs === undefined || isFull()) run.violate(`${full.id} is still full`)
    else if (curedMs > (run.isStormy ? 20_000 : 8_000))
      run.violate(`${full.id} was full for ${curedMs} ms`)
    const ushered = run.movesSince(beganMs, ({ why }) => why === 'usher')
    if (ushered === 0) run.violate('nobody was ushered')
    const back = run.movesSince(beganMs, ({ to }) => to === full)
    run.note('backToFull', back)
    if (back > 0.5 * ushered + 3) run.violate(`${back} of ${ushered} ushered workers came back`)
    run.checkPingPong(run.isStormy ? 8 : 6)
  },
}

/** Many workers begin at once, faster than any news: those who place them know what they sent. */
const burst: Scene = {
  name: 'burst',
  run(run) {
    const nodes = run.addNodes(run.between(4, 12))
    for (let i = 0; i < nodes.length * 20; i++) run.cluster.placeWorker(0.001, 100_000)
    run.watch(SETTLE_MS)
    const before = new Map(nodes.map((node) => [node, node.workers.size]))
    const many = nodes.length * 30
    const isOne = run.random.next() < 0.5
    for (let i = 0; i < many; i++)
      run.cluster.placeWorker(0.001, 100_000, isOne ? nodes[0] : undefined)
    const mean = many / nodes.length
    for (const node of nodes) {
      const came = node.workers.size - before.get(node)!
      run.note('burstMost', came / mean)
      if (came > BURST_MAX * mean + 5) run.violate(`${came} of ${many} came to ${node.id}`)
    }
    run.watch(SETTLE_MS)
    checkCalm(run)
  },
}

export const SCENES: readonly Scene[] = [join, skew, antagonist, hog, burst]

/** A stampede is more than that: a part of the mean, and what chance does to small numbers. */
function crowd({ mean, isStormy }: PlacementRun): number {
  return CROWDED * mean + (isStormy ? 6 : 3) * Math.sqrt(mean) + (isStormy ? 15 : 5)
}

function watchCrowds(run: PlacementRun, forMs: number): void {
  // One that was fuller to begin with is allowed to empty in its own time.
  const before = new Map(run.nodes.map((node) => [node, node.workers.size]))
  run.watch(forMs, () => {
    if (run.clock.nowMs() < COLD_MS) return
    for (const [node, had] of before) {
      const most = Math.max(had, crowd(run))
      run.note('crowdedMost', node.workers.size / crowd(run))
      if (node.workers.size > most) run.violate(`${node.id} has ${node.workers.size} workers`)
    }
  })
}

function checkShare(run: PlacementRun, { id, workers }: SimNode): void {
  run.note('missingShare', 1 - workers.size / run.mean)
  const least = FAIR_MIN * run.mean - (run.isStormy ? 2 * Math.sqrt(run.mean) : 0)
  if (workers.size < least) run.violate(`${id} has only ${workers.size} of ${run.mean.toFixed(0)}`)
}

/** Never more than a part of its share comes to a node in one second. */
function checkPace(run: PlacementRun, newcomer: SimNode, sinceMs: number): void {
  const times = run.cluster.arrivals
    .filter(({ to, atMs }) => to === newcomer && atMs >= sinceMs)
    .map(({ atMs }) => atMs)
  let most = 0
  let first = 0
  for (const [last, atMs] of times.entries()) {
    while (times[first]! < atMs - 1_000) first++
    most = Math.max(most, last - first + 1)
  }
  run.note('pace', most / run.mean)
  if (most > 0.75 * run.mean + 10) run.violate(`${most} workers came to ${newcomer.id} in a second`)
}

function checkCalm(run: PlacementRun): void {
  const sinceMs = run.clock.nowMs()
  run.watch(CALM_MS)
  const moves = run.movesSince(sinceMs)
  run.note('calmMovesPerThousand', (1_000 * moves) / run.cluster.workers.length)
  if (moves > 0.02 * run.cluster.workers.length) run.violate(`${moves} moves in the calm`)
}
