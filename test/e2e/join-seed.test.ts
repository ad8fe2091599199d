import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

t.test(
  'nodes that the map does not have join by a seed, die, are forgotten and are sent away',
  async (t) => {
    const cluster = await TestCluster.start({
      nodes: 2,
      spare: 2,
      key: 'a key of the whole cluster',
      join: { max: 1, forgetMs: 3_000 },
    })
    t.teardown(() => cluster.stop())
    const client = new Client(cluster.url)
    t.teardown(() => client.close())
    const see = async (id: string) =>
      (await cluster.get('/api/cluster')).members.find((member) => member.id === id)

    cluster.joinNode('n3')
    await cluster.readyNode('n3')
    await until('the front sees it', async () => (await see('n3'))?.state === 'alive')
    t.match(await see('n3'), { joined: true, role: 'node' })
    t.match(await see('n1'), { joined: false })
    t.equal((await client.send('POST', '/counter/a')).status, 200)
    const moved = await cluster.post('/api/workers/counter/a/move', { to: 'n3' })
    t.ok(moved.status === 200 || moved.status === 409, JSON.stringify(moved.body))
    await until('it works', async () => (await client.send('GET', '/hello')).node === 'n3')

    cluster.joinNode('n4')
    t.equal(await cluster.exited('n4'), 1, 'the map lets one in')
    t.match(readFileSync(join(cluster.dir, 'n4.log'), 'utf8'), 'n4 cannot join: 1 have joined')

    await cluster.kill('n3')
    // A request that is on its way when it dies has an outcome that nobody knows.
    await until('its death is known', async () => (await see('n3'))?.state !== 'alive')
    t.match(await client.send('POST', '/counter/a'), { status: 200, body: /"value":2/ })
    await until('it is forgotten', async () => (await see('n3')) === undefined)

    cluster.joinNode('n4')
    await cluster.readyNode('n4')
    await until('another is let in', async () => (await see('n4'))?.joined === true)
    cluster.forbidJoining()
    t.equal(await cluster.exited('n4'), 0, 'it drains and ends')
    await until('nobody keeps it', async () => (await see('n4')) === undefined)
    t.match(await client.send('POST', '/counter/a'), { status: 200, body: /"value":3/ })
    if (!t.passing()) t.comment(cluster.logs())
  },
)
