import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const reminder = fileURLToPath(new URL('../host/fixtures/reminder.ts', import.meta.url))

t.test('alarms ring after the whole cluster was away', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: [{ path: '/reminder/:key', worker: reminder }],
  })
  t.teardown(() => cluster.stop())
  const keys = ['a', 'b', 'c', 'd']
  for (const key of keys) {
    t.equal((await fetch(`${cluster.url}/reminder/${key}?in=3000`)).status, 200)
  }
  await Promise.all(['n1', 'n2'].map((id) => cluster.kill(id)))
  for (const id of ['n1', 'n2']) cluster.startNode(id)
  await Promise.all(['n1', 'n2'].map((id) => cluster.readyNode(id)))
  // Nobody asks for them: what opens them is their alarm.
  await until(
    'they are open',
    async () => (await cluster.get('/api/workers')).length === keys.length,
    20_000,
  )
  for (const key of keys) {
    await until(`${key} has rung`, async () => {
      const answer = await fetch(`${cluster.url}/reminder/${key}`)
      const { rang, alarm } = (await answer.json()) as { rang: number[]; alarm: number | null }
      return rang.length === 1 && alarm === null
    })
  }
  if (!t.passing()) t.comment(cluster.logs())
})
