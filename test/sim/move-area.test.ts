import t from 'tap'
import type { SeedResult } from '../../src/sim/area.ts'
import { runSeeds } from '../../src/sim/seeds.ts'

const SEEDS = 40

async function run(from: number, seeds: number, threads = 2): Promise<Map<number, SeedResult>> {
  const results = new Map<number, SeedResult>()
  const init = { area: 'move', quick: false, from, seeds, threads }
  await runSeeds(init, (seed, result) => {
    results.set(seed, result)
    return true
  })
  return results
}

t.test(`${SEEDS} seeds of moves and failovers keep every invariant`, async (t) => {
  const sums = { moved: 0, faults: 0, closes: 0, alarms: 0, turns: 0 }
  for (const [seed, { violations, stats }] of await run(1, SEEDS)) {
    t.same(violations, [], `npm run sim -- --area move --seeds 1 --from ${seed}`)
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += stats[name] ?? 0
  }
  t.ok(sums.moved > 3 * SEEDS && sums.turns > 30 * SEEDS, 'the workers work and move')
  t.ok(sums.faults > SEEDS && sums.closes > SEEDS / 4, 'the faults happen')
  t.ok(sums.alarms > SEEDS, 'alarms ring')
})

t.test('a run is a function of its seed, whatever ran before it in the thread', async (t) => {
  const [alone, after] = [await run(8, 1), await run(7, 2, 1)]
  t.equal(after.get(8)!.traceHash, alone.get(8)!.traceHash)
  t.not(after.get(7)!.traceHash, alone.get(8)!.traceHash)
})
