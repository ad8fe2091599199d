import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { killUnderLoad } from './kill.ts'

t.test('a node is killed under load on 300 counters, and comes back', async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  await killUnderLoad(t, cluster)

  cluster.startNode('n2')
  await cluster.readyNode('n2')
  await until(
    'the restarted node has work again',
    async () => {
      const members = (await cluster.get('/api/cluster')).members
      return members.some((m) => m.id === 'n2' && m.state === 'alive' && m.workers > 0)
    },
    20_000,
  )
  if (!t.passing()) t.comment(cluster.logs())
})
