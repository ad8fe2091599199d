import t from 'tap'
import { proposeMoves } from '../../src/placement/rebalance.ts'
import type { Candidate, Movable, MoveProposal } from '../../src/placement/types.ts'
import { placementArea } from '../../src/sim/placement-area.ts'
import { seededRandom } from '../../src/world.ts'
import { candidate, movable, movables } from './loads.ts'

const options = {
  random: seededRandom(1),
  sample: 3,
  nMachines: 4,
  hysteresis: 0.1,
  movesMax: 64,
  residencyMsMin: 1_000,
}

function propose(
  workers: readonly Movable[],
  peers: readonly Candidate[],
  given: Partial<typeof options> = {},
): MoveProposal[] {
  const self = candidate('self', { workers: workers.length, cpu: 1 })
  return proposeMoves(self, peers, workers, { ...options, ...given })
}

t.test('a newcomer gets a share of the difference, not all of it', async (t) => {
  const peers = [candidate('b', { workers: 300, cpu: 1 }), candidate('c', { workers: 300, cpu: 1 })]
  const moves = propose(movables(300), [...peers, candidate('new', { cpu: 1 })], {
    movesMax: 1_000,
  })
  t.ok(moves.every((move) => move.to === 'new'))
  t.ok(moves.length > 20 && moves.length < 75, `${moves.length}; fair would be 75 in the end`)
  t.ok(moves.every((move) => move.givenUp > move.added))
  t.equal(new Set(moves.map((move) => move.worker)).size, moves.length)
})

t.test('what does not pay is left', async (t) => {
  t.same(propose(movables(100), []), [], 'nobody there')
  t.same(propose([], [candidate('b')]), [], 'nothing here')
  const even = candidate('b', { workers: 97, cpu: 1 })
  t.same(propose(movables(100), [even]), [], 'within the hysteresis')
  t.same(propose(movables(100), [candidate('b', { workers: 500 })]), [], 'fuller')
  const full = candidate('b', { memoryBytes: 1e9 })
  t.same(propose(movables(100), [full]), [], 'no memory there')
})

t.test('those who may not or not yet go stay', async (t) => {
  const young = movables(100).map((worker) => ({ ...worker, ageMs: 900 }))
  t.same(propose(young, [candidate('b')]), [])
  const held = movables(100).map((worker) => ({ ...worker, cannotMove: 'pinned' }))
  t.same(propose(held, [candidate('b')]), [])
  const large = Array.from({ length: 100 }, (_, i) => ({
    ...movable(`room/${i}`),
    stateBytes: 500_000_000,
    ageMs: 4_000,
  }))
  t.same(propose(large, [candidate('b')]), [], 'a move of five seconds after four')
})

/** What is proposed in forty rounds, each as if nothing had moved yet. */
function rounds(workers: readonly Movable[], peers: readonly Candidate[]): MoveProposal[] {
  return Array.from({ length: 40 }, () => propose(workers, peers)).flat()
}

t.test('a worker that stays goes for nothing but for what the operator has said', async (t) => {
  const stays = movables(100).map((worker) => ({ ...worker, stays: true }))
  t.same(rounds(stays, [candidate('b')]), [])
  const whyNot = (node: string): string | undefined => (node === 'b' ? undefined : 'pinned to b')
  const pinned = stays.slice(0, 1).map((worker) => ({ ...worker, affinity: { whyNot } }))
  const peers = [candidate('b', { workers: 50, cpu: 3 }), candidate('c')]
  const moves = rounds(pinned, peers)
  t.ok(moves.length > 0 && moves.every(({ to }) => to === 'b'))
  const { costs } = moves[0]!
  t.strictSame(costs[0]!.id, 'self')
  t.match(costs.find(({ id }) => id === 'c')!, { excluded: 'pinned to b' })
})

t.test('a worker goes to its traffic, when there is enough of it', async (t) => {
  const peers = Array.from({ length: 30 }, (_, i) => candidate(`p${i}`, { workers: 1, cpu: 1 }))
  const talk = (messagesPerSecond: number): Movable => ({
    ...movable('room/a'),
    affinity: { traffic: [{ nodes: ['p17'], messagesPerSecond, bytesPerSecond: 1_000 }] },
  })
  const moves = rounds([talk(500)], peers)
  t.ok(moves.length > 0, 'though chance looks at few of them')
  t.ok(moves.every(({ to }) => to === 'p17'))
  t.same(rounds([talk(0.5)], peers), [])
  const here = { nodes: ['self'], messagesPerSecond: 800, bytesPerSecond: 0 }
  const torn = talk(500)
  const both = { ...torn, affinity: { traffic: [...torn.affinity!.traffic!, here] } }
  t.same(rounds([both], peers), [], 'more of it is here')
})

t.test('workers of a class go apart one by one', async (t) => {
  const counts = new Map([['self', 4]])
  const workers = movables(5).map((worker) => ({
    ...worker,
    affinity: { others: (node: string) => counts.get(node) ?? 0 },
  }))
  for (let round = 0; round < 20; round++) {
    const moves = propose(workers, [candidate('b', { workers: 5, cpu: 1 })])
    t.ok(moves.length <= 1)
  }
  t.ok(rounds(workers, [candidate('b', { workers: 5, cpu: 1 })]).length > 0)
  counts.set('b', 4)
  t.same(rounds(workers, [candidate('b', { workers: 5, cpu: 1 })]), [], 'even')
})

t.test('never more than the most', async (t) => {
  const peers = ['b', 'c', 'd'].map((id) => candidate(id))
  t.ok(propose(movables(900), peers, { movesMax: 10 }).length <= 10)
})

t.test('what was sent since the news counts there', async (t) => {
  const full = { ...candidate('b'), sentSince: 100 }
  t.same(propose(movables(100), [full]), [])
})

t.test('busy workers leave a busy node though their number is even', async (t) => {
  const workers = movables(20, { cpu: 0.15 })
  const self = candidate('self', { workers: 20, cpu: 3.2 })
  const idle = candidate('b', { workers: 20 })
  let moved = 0
  for (let round = 0; round < 10; round++) {
    moved += proposeMoves(self, [idle], workers, options).length
  }
  t.ok(moved >= 5, `${moved} moves`)
})

t.test(
  'a node is not filled beyond where ushering empties it to, however old its news',
  async (t) => {
    const workers = movables(100, { memoryBytes: 1e6, cpu: 0.01 })
    const full = { ...candidate('b', { memoryBytes: 0.81e9 }), loadAgeMs: 20_000 }
    t.same(propose(workers, [full, candidate('c', { workers: 100, cpu: 1 })]), [])
    const room = candidate('b', { memoryBytes: 0.79e9 })
    const moves = propose(workers, [room])
    t.ok(moves.length > 0 && moves.length <= 10, `${moves.length} moves of a megabyte`)
  },
)

t.test('in the seeded world: every scene keeps what it promises', async (t) => {
  // Many more by `npm run sim -- --area placement`.
  for (let seed = 1; seed <= 20; seed++) {
    const { violations } = placementArea.runSeed(seed, { quick: true })
    t.same(violations, [], `seed ${seed}`)
  }
  const run = (): string => placementArea.runSeed(7, { quick: true }).traceHash
  t.equal(run(), run(), 'a run is a function of its seed')
  t.not(run(), placementArea.runSeed(8, { quick: true }).traceHash)
})
