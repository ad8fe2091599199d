import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { killUnderLoad } from './kill.ts'

t.test('the same demo on PostgreSQL: a node is killed under load', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const cluster = await TestCluster.start({ store: postgres.url })
  t.teardown(() => cluster.stop())
  await killUnderLoad(t, cluster)
  if (!t.passing()) t.comment(cluster.logs())
})
