import type { Test } from 'tap'
import type { DrainReport } from '../../src/rpc.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { Traffic } from './traffic.ts'

/** A node is drained under load, is stopped, and comes back without a failure. */
export async function drainUnderLoad(t: Test, cluster: TestCluster): Promise<void> {
  const traffic = await Traffic.start(t, cluster, {
    name: 'drain',
    perSecond: 150,
    counter: '/counter',
    keys: 100,
    task: '/hello',
    taskEvery: 10,
    room: '/room',
    chatters: 20,
  })
  const { load } = traffic
  await until('the node has workers', async () =>
    (await cluster.get('/api/workers')).some((w) => w.node === 'n1'),
  )
  await until('some load has passed', () => load.sent > 150)

  const drained = await cluster.post('/api/nodes/n1/drain')
  t.equal(drained.status, 200)
  const report = drained.body as DrainReport
  t.ok(report.moved > 0, `${report.moved} workers moved in ${report.ms} ms`)
  t.strictSame(report.left, [], 'none is left')
  const left = (await cluster.get('/api/workers')).filter((w) => w.node === 'n1')
  t.strictSame(left, [], 'no worker is there')
  t.equal(await cluster.terminate('n1'), 0, 'the process can be stopped')
  const sentAtStop = load.sent
  await until('load goes on without the node', () => load.sent > sentAtStop + 100)

  cluster.startNode('n1')
  await cluster.readyNode('n1')
  await until('it takes work again', async () =>
    (await cluster.get('/api/workers')).some((w) => w.node === 'n1'),
  )
  await traffic.end(t)
}
