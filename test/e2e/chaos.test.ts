import t from 'tap'
import { chaos } from '../chaos/run.ts'

t.test('a cluster under faults loses, doubles and reorders nothing', async (t) => {
  const { details, ...result } = await chaos({
    seed: 12,
    ms: 12_000,
    store: 'sqlite',
    nodes: 3,
    fronts: 2,
    only: '',
    pauseMsMax: 1_500,
    // A machine that runs other tests starts a process slowly.
    recoveryMs: 30_000,
    perSecond: 100,
    clients: 8,
    progress: (line) => t.comment(line),
  })
  t.strictSame(result.violations, [], 'no violation')
  t.ok(result.acknowledged > 0, `${result.acknowledged} of ${result.sent} acknowledged`)
  t.ok(result.events > 0, `${result.events} things were done to it`)
  if (details !== '') t.comment(details)
})
