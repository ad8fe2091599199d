import type { Test } from 'tap'
import { aries } from '../cli/aries.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { Traffic } from './traffic.ts'

const KEYS = 30

/** Every node is restarted under load: no request fails, no socket closes. */
export async function restartUnderLoad(t: Test, cluster: TestCluster): Promise<void> {
  const traffic = await Traffic.start(t, cluster, {
    name: 'restart',
    perSecond: 100,
    counter: '/counter',
    keys: KEYS,
    task: '/hello',
    taskEvery: 10,
    room: '/room',
    chatters: 8,
  })
  await until('every counter has counted', () => traffic.counting >= KEYS * 0.9)

  const boots = async (): Promise<Record<string, number>> => {
    const { members } = await cluster.get('/api/cluster')
    const nodes = members.filter(({ role }) => role === 'node')
    return Object.fromEntries(nodes.map(({ id, incarnation }) => [id, incarnation]))
  }
  const before = await boots()
  const { code, stdout, stderr } = await aries([
    'restart',
    '--json',
    '--admin',
    cluster.adminAddress,
  ])
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), [
    { node: 'n1', failure: null },
    { node: 'n2', failure: null },
  ])
  t.same(await boots(), { n1: before['n1']! + 1, n2: before['n2']! + 1 })
  const statuses = await cluster.get('/api/status')
  for (const id of cluster.nodeIds) {
    const status = statuses.find((each) => each.id === id)
    t.match(status, { pid: cluster.pid(id), ready: true, notes: [] }, `${id} is the same process`)
  }
  const sent = traffic.load.sent
  await until('the load goes on', () => traffic.load.sent > sent + 50)

  await traffic.end(t)
}
