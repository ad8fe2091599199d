import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const blocker = fileURLToPath(new URL('./fixtures/blocker.ts', import.meta.url))

t.test(
  'a worker that blocks its host for ever: the host is replaced, the others go on',
  async (t) => {
    const cluster = await TestCluster.start({
      nodes: 2,
      routes: [{ path: '/blocker/:key', worker: blocker }],
      config: { host: { requestTimeoutMs: 2_000 } },
    })
    t.teardown(() => cluster.stop())
    const client = new Client(cluster.url)
    t.teardown(() => client.close())
    const { node } = await client.send('GET', '/blocker/a')
    for (let i = 0; i < 20; i++) await client.send('POST', `/counter/k${i}`)

    const stuck = fetch(`${cluster.url}/blocker/a`, { method: 'POST', body: 'now' })
    await until('the node says so and is not ready', async () => {
      const ready = await fetch(`http://127.0.0.1:${cluster.adminPort(node!)}/readyz`)
      const { notes } = (await ready.json()) as { notes: string[] }
      return ready.status === 503 && notes.some((note) => note.includes('a worker blocks it'))
    })
    await cluster.readyNode(node!)
    t.ok((await stuck).status >= 500, 'the request that did it fails')
    for (let i = 0; i < 20; i++) {
      const answer = await client.send('GET', `/counter/k${i}`)
      t.match(JSON.parse(answer.body), { value: 1 }, `k${i} is there, with its state`)
    }
    t.equal((await client.send('GET', '/blocker/a')).status, 200)
    if (!t.passing()) t.comment(cluster.logs())
  },
)
