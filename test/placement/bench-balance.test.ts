import t from 'tap'
import { CONTENDERS } from '../../loadtest/balance/contenders.ts'
import { MODEL } from '../../loadtest/balance/model.ts'
import { compare, rowOf } from '../../loadtest/balance/rows.ts'
import { type Scenario, simulate } from '../../loadtest/balance/simulation.ts'

const SCENARIO: Scenario = {
  model: { ...MODEL, backends: 24 },
  fronts: 1,
  load: 0.7,
  warmUpMs: 2_000,
  measuredMs: 6_000,
  seed: 3,
  deadlineMs: 2_000,
}

for (const fronts of [1, 4]) {
  t.test(`ours has a tail as short as any on unequal backends, ${fronts} front(s)`, async (t) => {
    const scenario = { ...SCENARIO, fronts }
    const rows = CONTENDERS.map((contender) =>
      rowOf('simulated', scenario, contender, simulate(scenario, contender)),
    )
    compare(rows)
    const ours = rows.find(({ policy }) => policy === 'Aries')!
    t.equal(ours.errorsPerMille, 0)
    // Some 20 requests are beyond the 99.9th percentile: a tenth is chance.
    t.ok(ours.timesBest! <= 1.1, `p99.9 ${ours.timesBest!.toFixed(2)} × the best rival's`)
    t.ok(ours.timesRoundRobin! <= 0.5, `${ours.timesRoundRobin!.toFixed(2)} × round robin's`)
    t.equal(new Set(rows.map(({ requests }) => requests)).size, 1, 'all get the same requests')
  })
}

t.test('a run is a function of its seed', async (t) => {
  for (const contender of CONTENDERS) {
    const short = { ...SCENARIO, measuredMs: 300 }
    t.same(simulate(short, contender), simulate(short, contender), contender.name)
  }
})
