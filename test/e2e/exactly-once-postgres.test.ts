import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { exactlyOnceUnderKill } from './exactly-once.ts'

t.test('on PostgreSQL a node is killed under requests with keys', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const cluster = await TestCluster.start({ store: postgres.url })
  t.teardown(() => cluster.stop())
  await exactlyOnceUnderKill(t, cluster)
  if (!t.passing()) t.comment(cluster.logs())
})
