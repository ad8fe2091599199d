import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { savedAndRecovered } from './checkpoint.ts'
import { frozenUntilThawed } from './freeze.ts'
import { longTurnPutsMoveOff } from './long-turn.ts'

const route = (name: string): Record<string, string> => ({
  path: `/${name}/:key`,
  worker: fileURLToPath(new URL(`../host/fixtures/${name}.ts`, import.meta.url)),
})

t.test('what an operator does with single workers', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: [route('library'), route('reminder')],
    config: { move: { ...PATIENT_MOVES, turnBudgetMs: 1_000 } },
  })
  t.teardown(() => cluster.stop())
  await t.test('moves one in a long turn', (t) => longTurnPutsMoveOff(t, cluster))
  await t.test('saves and recovers one', (t) => savedAndRecovered(t, cluster))
  // The last: it kills a node.
  await t.test('freezes and thaws one', (t) => frozenUntilThawed(t, cluster))
  if (!t.passing()) t.comment(cluster.logs())
})
