import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { DrainReport } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const WORKERS = 40
const reminder = fileURLToPath(new URL('../host/fixtures/reminder.ts', import.meta.url))

t.test('workers that sleep', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: [{ path: '/reminder/:key', worker: reminder }],
    config: { host: { sleepAfterMs: 200 } },
  })
  t.teardown(() => cluster.stop())

  await t.test('survive a drain and a kill, and answer as if they had not', async (t) => {
    const client = new Client(cluster.url)
    t.teardown(() => client.close())
    const ask = async (method: 'GET' | 'POST'): Promise<unknown[]> => {
      const names = Array.from({ length: WORKERS }, (_, i) => `/counter/s${i}`)
      const answers = await Promise.all(names.map((path) => client.send(method, path)))
      return answers.map(({ status, body }) => (status === 200 ? JSON.parse(body).value : body))
    }
    const allSleep = () =>
      until('all sleep', async () => {
        const workers = await cluster.get('/api/workers')
        return workers.length === WORKERS && workers.every(({ asleep }) => asleep)
      })
    const all = (value: number): number[] => Array.from({ length: WORKERS }, () => value)

    t.same(await ask('POST'), all(1))
    await allSleep()
    await until('the metrics say so', async () => {
      let asleep = 0
      for (const node of cluster.nodeIds) {
        const metrics = await fetch(`http://127.0.0.1:${cluster.adminPort(node)}/metrics`)
        const line = /^aries_node_workers\{.*state="asleep".*\} (\d+)$/m.exec(await metrics.text())
        asleep += Number(line?.[1])
      }
      return asleep === WORKERS
    })
    t.same(await ask('POST'), all(2))

    await allSleep()
    const { status, body } = await cluster.post('/api/nodes/n1/drain')
    t.equal(status, 200)
    t.same((body as DrainReport).left, [])
    t.notOk((await cluster.get('/api/workers')).some(({ node }) => node === 'n1'))
    t.same(await ask('POST'), all(3))
    t.equal((await cluster.post('/api/nodes/n1/undrain')).status, 200)

    await allSleep()
    process.kill(cluster.pid('n2'), 'SIGKILL')
    t.same(await ask('GET'), all(3), 'reads wait for the failover instead of failing')
    // A POST to what is left of its process would have an unknown outcome.
    await until('it is found dead', async () => {
      const { members } = await cluster.get('/api/cluster')
      return members.some(({ id, state }) => id === 'n2' && state === 'unreachable')
    })
    t.same(await ask('POST'), all(4))
  })

  await t.test('are woken by their alarms, also after the whole cluster was away', async (t) => {
    cluster.startNode('n2')
    await cluster.readyNode('n2')
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
    )
    for (const key of keys) {
      await until(`${key} has rung`, async () => {
        const answer = await fetch(`${cluster.url}/reminder/${key}`)
        const { rang, alarm } = (await answer.json()) as { rang: number[]; alarm: number | null }
        return rang.length === 1 && alarm === null
      })
    }
  })
  if (!t.passing()) t.comment(cluster.logs())
})
