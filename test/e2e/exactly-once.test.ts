import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { exactlyOnceUnderKill } from './exactly-once.ts'

t.test('a node is killed under requests with keys: each key counts once', async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  await exactlyOnceUnderKill(t, cluster)
  if (!t.passing()) t.comment(cluster.logs())
})
