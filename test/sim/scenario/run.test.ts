import t from 'tap'
import { Results } from '../../../src/sim/scenario/compare.ts'
import { drawJobs } from '../../../src/sim/scenario/jobs.ts'
import { loadScenario, shippedScenarios } from '../../../src/sim/scenario/load.ts'
import { POLICIES } from '../../../src/sim/scenario/policies.ts'
import { type RunResult, runScenario } from '../../../src/sim/scenario/run.ts'
import { type Scenario, scenarioSchema } from '../../../src/sim/scenario/schema.ts'
import { seededRandom } from '../../../src/world.ts'

const ONE = [{ id: 'a', cores: 1, speed: 1, memoryMb: 100 }]

/** Jobs of 15 CPU seconds and 60 MB at 10 and 20 s on one machine, unless `given` says else. */
function scenario(given: Record<string, unknown> = {}): Scenario {
  const file = scenarioSchema.parse({
    machines: ONE,
    ...given,
    jobs: {
      untilS: 25,
      everyS: 10,
      gaps: 'even',
      cpuS: { fixed: 15 },
      memoryMb: { fixed: 60 },
      ...(given['jobs'] as object | undefined),
    },
  })
  return { ...file, name: 'test' }
}

function run(given: Scenario, policy = 'round-robin', seed = 1): RunResult {
  return runScenario(given, POLICIES.get(policy)!, seed)
}

const rounded = ({ slowdowns }: RunResult): number[] =>
  [...slowdowns].map((slowdown) => Math.round(slowdown * 1_000) / 1_000)

t.test('jobs share a machine evenly', async (t) => {
  // At 10 and 20 s; alone for 10 s, then 5 s are left of the first, which take 10.
  const wide = scenario({ machines: [{ ...ONE[0], memoryMb: 120 }] })
  t.strictSame(
    rounded(run(wide)),
    [20 / 15, 20 / 15].map((x) => Math.round(x * 1_000) / 1_000),
  )
  const cores = scenario({ machines: [{ ...ONE[0], cores: 2, memoryMb: 120 }] })
  t.strictSame(rounded(run(cores)), [1, 1])
})

t.test('overfull memory makes all of them slower', async (t) => {
  // From 20 s on both run at a twentieth: 5 s more take 100, the other's last 10 run alone.
  t.strictSame(rounded(run(scenario())), [7.333, 7.333])
  t.strictSame(rounded(run(scenario({ thrashing: 1 }))), [1.333, 1.333])
})

t.test('a machine that goes down loses its jobs; they begin anew elsewhere, or wait', async (t) => {
  const two = [...ONE, { ...ONE[0], id: 'b' }]
  const failures = [{ machine: 'a', atS: 14, forS: 100 }]
  const moved = run(scenario({ machines: two, failures, jobs: { untilS: 15 } }))
  t.strictSame([rounded(moved), moved.restarts], [[(4 + 15) / 15].map(round3), 1])
  const waited = run(scenario({ failures, jobs: { untilS: 15 } }))
  t.strictSame(rounded(waited), [round3((104 + 15) / 15)])
  const slower = run(
    scenario({ failures: [{ ...failures[0], forS: 10, speedLeft: 0.5 }], jobs: { untilS: 15 } }),
  )
  t.strictSame([rounded(slower), slower.restarts], [[round3(20 / 15)], 0])
})

const round3 = (x: number): number => Math.round(x * 1_000) / 1_000

t.test('batches: divided, or each job as much', async (t) => {
  const jobs = { cpuS: { fixed: 2 }, untilS: 1_000, everyS: 1 }
  for (const share of ['divided', 'each'] as const) {
    const batches = { part: 1, jobsMax: 4, cpuTimes: 10, share }
    const drawn = drawJobs(scenario({ jobs: { ...jobs, batches } }), seededRandom(3))
    const sizes = [...Map.groupBy(drawn, ({ arrivesS }) => arrivesS).values()]
    t.strictSame(new Set(sizes.map(({ length }) => length)), new Set([1, 2, 3, 4]))
    for (const batch of sizes) {
      const eachS = share === 'each' ? 20 : 20 / batch.length
      t.ok(batch.every(({ cpuS }) => cpuS === eachS))
    }
  }
})

t.test('gaps have the mean that was asked for', async (t) => {
  for (const gaps of ['exponential', 'geometric', 'even']) {
    const jobs = { gaps, untilS: 50_000, everyS: 5, cpuS: { inverse: 1, max: 3 } }
    const drawn = drawJobs(scenario({ jobs }), seededRandom(1))
    t.ok(Math.abs(drawn.length - 10_000) < 300, `${gaps}: ${drawn.length}`)
    t.ok(drawn.every(({ cpuS }) => cpuS >= 1 && cpuS <= 3))
    const whole = drawn.every(({ arrivesS }) => Number.isInteger(arrivesS))
    t.equal(whole, gaps !== 'exponential')
  }
})

t.test(
  'every policy ends every job of every scenario that ships, the same each time',
  async (t) => {
    for (const name of shippedScenarios()) {
      const shipped = loadScenario(name)
      const short = { ...shipped, jobs: { ...shipped.jobs, untilS: shipped.jobs.untilS / 10 } }
      const jobs = drawJobs(short, seededRandom(1)).length
      for (const policy of POLICIES.keys()) {
        const once = run(short, policy)
        t.equal(once.slowdowns.length, jobs, `${name}, ${policy}`)
        t.ok(once.slowdowns.every((slowdown) => slowdown > 0.999 && Number.isFinite(slowdown)))
        t.strictSame(run(short, policy), once)
      }
    }
  },
)

t.test('the order of the paper: E-PVM beats round robin, migration beats both', async (t) => {
  const results = new Results(loadScenario('epvm'), [...POLICIES.keys()])
  for (let seed = 1; seed <= 60; seed++) results.runSeed(seed)
  const { policies, ratios } = results.compare()
  const mean = (name: string): number => policies.find(({ policy }) => policy === name)!.meanByRun
  t.ok(mean('e-pvm') < 0.69 * mean('round-robin'))
  t.ok(mean('e-mosix') < mean('e-pvm') && mean('mosix') < mean('e-pvm'))
  t.ok(mean('aries') < mean('e-pvm'), 'the production core beats the published placement')
  const published = ratios.find(({ policy, to }) => policy === 'e-mosix' && to === 'e-pvm')
  t.equal(published?.published, 0.764)
  t.equal(published?.ofMeans, mean('e-mosix') / mean('e-pvm'))
})
