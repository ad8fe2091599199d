import t from 'tap'
import { outliersSchema } from '../../src/config/schema/health.ts'
import { Outcomes } from '../../src/front/outcomes.ts'
import { type OutlierRules, Outliers } from '../../src/front/outliers.ts'

function watching(names: readonly string[], rules: Partial<OutlierRules> = {}): Outliers {
  const outliers = new Outliers()
  const full = { ...outliersSchema.parse({}), ...rules }
  outliers.set(new Map(names.map((name) => [name, { rules: full, groups: ['g'] }])))
  return outliers
}

const TEN = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']

t.test(
  'each time it is out for longer, up to a limit; quiet intervals make it shorter',
  async (t) => {
    const outliers = watching(TEN, { ejectionMs: 100, ejectionMsMax: 250, intervalMs: 1_000 })
    outliers.compare(0)
    for (const ms of [100, 200, 250, 250]) {
      t.same(outliers.failedInRow('a', 'why', 0), { url: 'a', why: 'why', ms })
      t.equal(outliers.failedInRow('a', 'why', 0), undefined, 'it is out already')
      t.same(outliers.back(ms - 1), [])
      t.equal(outliers.leftMs('a', ms - 1), 1)
      t.same(outliers.back(ms), ['a'])
    }
    for (let at = 1_000; at <= 4_000; at += 1_000) outliers.compare(at)
    t.equal(outliers.failedInRow('a', 'why', 4_000)?.ms, 100)
  },
)

t.test('only a part may be out, but one always', async (t) => {
  const ten = watching(TEN, { ejectedMax: 0.2 })
  t.ok(ten.failedInRow('a', '', 0))
  t.ok(ten.failedInRow('b', '', 0))
  t.notOk(ten.failedInRow('c', '', 0))
  const two = watching(['a', 'b'])
  t.ok(two.failedInRow('a', '', 0))
  t.notOk(two.failedInRow('b', '', 0))
})

t.test('whose success rate is far below the others is out', async (t) => {
  const outliers = watching(TEN)
  outliers.compare(0)
  for (const name of TEN) outliers.count(name, 100, name === 'c' ? 40 : 1)
  t.match(outliers.compare(10_000), [{ url: 'c', ms: 30_000, why: /^60.0% of its answers/ }])
  for (const name of TEN) outliers.count(name, 99, name === 'd' ? 90 : 1)
  t.same(outliers.compare(20_000), [], 'too few requests to tell')
  const four = watching(['a', 'b', 'c', 'd'])
  four.compare(0)
  for (const name of ['a', 'b', 'c', 'd']) four.count(name, 100, name === 'a' ? 90 : 0)
  t.same(four.compare(10_000), [], 'too few upstreams to compare')
})

t.test('a rate of failures, where one is set', async (t) => {
  const outliers = watching(['a', 'b'], { upstreamsMin: 2, deviations: 0, failureRate: 0.85 })
  outliers.compare(0)
  outliers.count('a', 100, 85)
  outliers.count('b', 100, 84)
  t.match(outliers.compare(10_000), [{ url: 'a', why: '85.0% of its requests failed' }])
})

t.test('a good check ends it where that is set', async (t) => {
  const never = watching(['a'])
  never.failedInRow('a', '', 0)
  t.notOk(never.checked('a'))
  const ends = watching(['a'], { endedByCheck: true })
  ends.failedInRow('a', '', 0)
  t.ok(ends.checked('a'))
  t.notOk(ends.isOut('a'))
})

t.test('failures in a row', async (t) => {
  const found: unknown[] = []
  const outcomes = new Outcomes(2, (...args) => found.push(args))
  outcomes.setLimits(1, { consecutive5xx: 3, consecutiveGateway: 0 })
  for (const status of [500, 503, 404, 500, 500]) outcomes.answered(1, status)
  t.same(found, [])
  outcomes.unanswered(1)
  t.same(found, [[1, '5xx', 3]])
  t.same(outcomes.take(1), { requests: 6, failed: 5 })
  t.same(outcomes.take(1), { requests: 0, failed: 0 })
  outcomes.setLimits(0, { consecutive5xx: 0, consecutiveGateway: 2 })
  for (const status of [502, 500, 504]) outcomes.answered(0, status)
  t.equal(found.length, 1, 'a 500 is no failure of a gateway')
  outcomes.answered(0, 502)
  t.same(found[1], [0, 'gateway', 2])
})
