import t from 'tap'
import { moveArea } from '../../src/sim/move-area.ts'

const SEEDS = 300

t.test(`${SEEDS} seeds of moves under faults keep every invariant`, async (t) => {
  let moved = 0
  let aborted = 0
  let crashes = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, stats } = moveArea.runSeed(seed, { quick: false })
    t.same(violations, [], `npm run sim -- --area move --seeds 1 --from ${seed}`)
    moved += stats['moved'] ?? 0
    aborted += stats['aborted'] ?? 0
    crashes += stats['crashes'] ?? 0
  }
  t.ok(moved > SEEDS && aborted > SEEDS && crashes > SEEDS / 2, 'the faults happen')
})

t.test('a run is a function of its seed', async (t) => {
  const hash = (seed: number): string => moveArea.runSeed(seed, { quick: true }).traceHash
  t.equal(hash(7), hash(7))
  t.not(hash(7), hash(8))
})
