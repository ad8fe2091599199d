import t from 'tap'
import type { ProcessInfo } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { killUnderLoad } from './kill.ts'

t.test('a host process is killed under load: its spare takes its place', async (t) => {
  const cluster = await TestCluster.start({ nodes: 2, spareHosts: true })
  t.teardown(() => cluster.stop())
  const processes = async (): Promise<readonly ProcessInfo[]> =>
    (await cluster.get('/api/status')).find(({ id }) => id === 'n2')!.processes
  const pidOf = async (role: ProcessInfo['role']): Promise<number> =>
    (await processes()).find((each) => each.role === role)?.pid ?? 0
  await until('there is a spare', async () => (await pidOf('spare')) !== 0)
  const [host, spare] = [await pidOf('host'), await pidOf('spare')]

  await killUnderLoad(t, cluster, () => host)

  t.equal(await pidOf('host'), spare, 'the spare is the host now')
  await until('there is another spare', async () => (await pidOf('spare')) !== 0)
  const onNode = (await cluster.get('/api/workers')).filter(({ node }) => node === 'n2')
  t.ok(onNode.length > 0, 'its workers stayed on the node')
  if (!t.passing()) t.comment(cluster.logs())
})
