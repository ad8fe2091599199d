import t from 'tap'
import { FAILOVER_PHASES, FailoverTimes } from '../../src/node/failover-times.ts'

t.test('phases of failovers as a histogram of Prometheus', async (t) => {
  const times = new FailoverTimes()
  times.add('claim', 5)
  times.add('claim', 30)
  times.add('claim', 9_000)
  const claims = times.buckets.filter(([{ phase }]) => phase === 'claim')
  const counts = Object.fromEntries(claims.map(([{ le }, count]) => [le, count]))
  t.match(counts, { '0.005': 1, '0.025': 1, '0.05': 2, '5': 2, '+Inf': 3 })
  const of = (samples: FailoverTimes['sums']): Record<string, number> =>
    Object.fromEntries(samples.map(([{ phase }, value]) => [phase, value]))
  t.same(of(times.sums), { detect: 0, evict: 0, claim: 9.035, open: 0 })
  t.same(of(times.counts), { detect: 0, evict: 0, claim: 3, open: 0 })
  t.same(Object.keys(of(times.sums)), FAILOVER_PHASES)
})
