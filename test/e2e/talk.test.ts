import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { WorkerDetail } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url))

t.test('a worker follows those that it calls', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: ['mate', 'chatty'].map((name) => ({ path: `/${name}/:key`, worker: fixture(name) })),
    config: { classes: { mate: { pin: 'n2' } } },
  })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const bad: string[] = []
  const send = async (): Promise<string | undefined> => {
    const { status, body, node } = await client.send('GET', '/chatty/a')
    if (status !== 200) bad.push(`${status} ${body}`)
    return node
  }
  if ((await send()) === 'n2') {
    t.match(await cluster.post('/api/workers/chatty/a/move', { to: 'n1' }), { status: 200 })
  }
  const load = new OpenLoop(20, async () => void (await send())).start()
  t.teardown(() => load.stop())
  const detail = () => cluster.get('/api/workers/chatty/a') as Promise<WorkerDetail>
  await until('its traffic is told of', async () => {
    const peer = (await detail()).traffic?.find((one) => one.with === 'mate/a')
    return peer?.node === 'n2' && peer.messagesPerSecond > 10
  })
  await until('it lives where its mate does', async () => (await detail()).node === 'n2')
  await until('its decision is told of', async () => {
    const { decision } = await detail()
    return decision?.why === 'rebalance' && decision.by === 'n1'
  })
  const mate = (await cluster.get('/api/workers/mate/a')) as WorkerDetail
  t.match(mate.traffic, [{ with: 'chatty/a' }], 'the callee knows of it, too')
  await load.stop()
  t.strictSame(bad, [])
  if (!t.passing()) t.comment(cluster.logs())
})
