import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { exactlyOnceUnderKill } from './exactly-once.ts'
import { comesBack, killUnderLoad } from './kill.ts'

t.test('on PostgreSQL a node is killed under load', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const cluster = await TestCluster.start({ store: postgres.url })
  t.teardown(() => cluster.stop())
  await t.test('nothing acknowledged is lost, and it comes back', async (t) => {
    await killUnderLoad(t, cluster)
    await comesBack(cluster, 'n2')
  })
  await t.test('requests with keys count once each', (t) => exactlyOnceUnderKill(t, cluster))
  if (!t.passing()) t.comment(cluster.logs())
})
