import t from 'tap'
import type { DrainReport } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const WORKERS = 40

t.test(
  'workers that sleep survive a drain and a kill, and answer as if they had not',
  async (t) => {
    const cluster = await TestCluster.start({ config: { host: { sleepAfterMs: 200 } } })
    t.teardown(() => cluster.stop())
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

    await allSleep()
    process.kill(cluster.pid('n2'), 'SIGKILL')
    t.same(await ask('GET'), all(3), 'reads wait for the failover instead of failing')
    // A POST to what is left of its process would have an unknown outcome.
    await until('it is found dead', async () => {
      const { members } = await cluster.get('/api/cluster')
      return members.some(({ id, state }) => id === 'n2' && state === 'unreachable')
    })
    t.same(await ask('POST'), all(4))
  },
)
