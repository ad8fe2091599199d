import t from 'tap'
import type { WorkerDetail } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { killUnderLoad } from './kill.ts'

t.test('workers with a standby go on there when their node is killed under load', async (t) => {
  const cluster = await TestCluster.start({
    // Nothing moves afterwards: the last decision about each is that of the failover.
    config: {
      classes: { counter: { standby: 1 } },
      placement: { rebalanceIntervalMs: 3_600_000 },
    },
  })
  t.teardown(() => cluster.stop())
  const standbys = new Map<string, string | undefined>()
  await killUnderLoad(t, cluster, async () => {
    await until('every worker has its standby', async () => {
      const workers = await cluster.get('/api/workers')
      for (const { key, node, standby } of workers) if (node === 'n2') standbys.set(key, standby)
      return workers.every(({ standby }) => standby !== undefined)
    })
    return cluster.pid('n2')
  })
  const elsewhere: string[] = []
  for (const [key, standby] of standbys) {
    const path = `/api/workers/counter/${key}`
    const { decision } = (await cluster.get(path)) as WorkerDetail
    if (decision?.why !== 'standby' || decision.chosen !== standby) elsewhere.push(key)
  }
  t.same(elsewhere, [], 'each went to the node that had its copy')
  if (!t.passing()) t.comment(cluster.logs())
})
