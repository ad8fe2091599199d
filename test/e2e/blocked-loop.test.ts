import t from 'tap'
import type { ClusterInfo } from '../../src/admin/api.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const BLOCKABLE = new URL('fixtures/blockable.mjs', import.meta.url).href

t.test('a node whose control loop is blocked for 3 s is suspected by nobody', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    config: { gossip: { preset: 'lan' } },
    env: (id) => (id === 'n1' ? { NODE_OPTIONS: `--import ${BLOCKABLE}` } : {}),
  })
  t.teardown(() => cluster.stop())
  const others = [cluster.adminUrl('n2'), `http://${cluster.adminAddress}`]
  /** n1 as another member sees it. */
  const seen = async (by: string): Promise<ClusterInfo['members'][number]> => {
    const response = await fetch(`${by}/api/cluster`)
    const { members } = (await response.json()) as ClusterInfo
    return members.find(({ id }) => id === 'n1')!
  }
  const lagOf = async (by: string): Promise<number> => (await seen(by)).load?.lagMs ?? 0
  const doubts = (): number =>
    cluster.logs(100_000).match(/"member":"n1","state":"sus/g)?.length ?? 0
  const { incarnation } = await seen(others[0]!)
  const before = doubts()
  process.kill(cluster.pid('n1'), 'SIGUSR2')
  await until('the others hear how late it is', async () => {
    const lags = await Promise.all(others.map(lagOf))
    return lags.every((lagMs) => lagMs >= 2_000)
  })
  await until('and that it has caught up', async () => (await lagOf(others[0]!)) < 500)
  t.equal(doubts(), before, 'nobody doubted it')
  for (const by of others) {
    t.match(await seen(by), { state: 'alive', incarnation }, 'nor took anything from it')
  }
  const counted = await fetch(`${cluster.url}/counter/a`, { method: 'POST' })
  t.match(await counted.json(), { value: 1 })
  if (!t.passing()) t.comment(cluster.logs())
})
