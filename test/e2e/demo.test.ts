import { fileURLToPath } from 'node:url'
import t from 'tap'
import { request } from 'undici'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url))

t.test('the routes of the demo, a key, bad tasks, a dead upstream, the admin API', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    legacy: true,
    key: 'a key that is long enough for a test',
    routes: [
      ...['bad-throw', 'bad-loop', 'bad-memory'].map((name) => ({
        path: `/${name}`,
        task: fixture(name),
      })),
      { path: '/nosy/:key', worker: fixture('nosy') },
    ],
    config: { pool: { taskTimeoutMs: 3_000, taskMemoryMb: 64, threads: 2 } },
  })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())

  await t.test('tasks', async (t) => {
    const hello = await client.send('GET', '/hello')
    t.equal(hello.status, 200)
    t.match(hello.node, /^n[12]$/)
    const primes = await client.send('GET', '/primes?limit=100')
    t.strictSame(JSON.parse(primes.body), { limit: 100, count: 25 })
    for (const limit of ['10000001', 'many', '-1', '1.5']) {
      const refused = await client.send('GET', `/primes?limit=${limit}`)
      t.equal(refused.status, 400, limit)
      t.match(refused.body, /10000000|10,000,000|10 million/)
    }
  })

  await t.test('a bad task costs its own request alone', async (t) => {
    const others = Array.from({ length: 60 }, () => client.send('GET', '/hello'))
    const [thrown, looped, hoarded] = await Promise.all([
      client.send('GET', '/bad-throw'),
      client.send('GET', '/bad-loop'),
      client.send('GET', '/bad-memory'),
    ])
    t.equal(thrown.status, 500)
    t.match(thrown.body, 'ARIES_E_TASK_FAILED')
    t.match(thrown.body, 'thrown on purpose')
    t.equal(looped.status, 504)
    t.match(looped.body, 'ARIES_E_TASK_TIMEOUT')
    t.equal(hoarded.status, 503)
    t.match(hoarded.body, 'ARIES_E_TASK_MEMORY')
    for (const other of await Promise.all(others)) t.equal(other.status, 200, other.body)
  })

  await t.test('a worker', async (t) => {
    t.strictSame(JSON.parse((await client.send('POST', '/counter/a%20b')).body).value, 1)
    const read = await client.send('GET', '/counter/a%20b')
    t.match(JSON.parse(read.body), { key: 'a b', value: 1, node: read.node })
    t.equal((await client.send('POST', '/hello/none')).status, 404)
  })

  await t.test('a worker neither sees nor says what is said inside', async (t) => {
    const answer = await client.send('POST', '/nosy/a')
    t.equal(answer.status, 421, 'the status is its own affair')
    const { asked, headers } = JSON.parse(answer.body) as { asked: number; headers: string[] }
    t.equal(asked, 1, 'and it is asked once')
    t.strictSame(
      headers.filter((name) => name.startsWith('aries-')),
      [],
      'the token of the cluster is not among its headers',
    )
    t.match(answer.node, /^n[12]$/, 'it cannot pose as another node')
  })

  await t.test('an upstream dies: the other one takes all', async (t) => {
    const before = await client.send('GET', '/legacy/x?y=1')
    t.equal(before.status, 200)
    t.equal((await client.send('GET', '/compat/x')).status, 200, 'and by http-proxy')
    await cluster.kill(`legacy-${cluster.legacyPorts[0]}`)
    for (let i = 0; i < 40; i++) {
      const answer = await client.send('GET', '/legacy/x')
      t.equal(answer.status, 200, answer.body)
    }
    t.equal((await client.send('GET', '/compat/x')).status, 200)
  })

  await t.test('the admin API', async (t) => {
    const unknownWorker = await cluster.post('/api/workers/counter/nobody/move', { to: 'n1' })
    t.equal(unknownWorker.status, 404)
    t.match(unknownWorker.body, { error: { code: 'ARIES_E_WORKER_UNKNOWN' } })
    const unknownClass = await cluster.post('/api/workers/nothing/a/move', { to: 'n1' })
    t.match(unknownClass.body, { error: { code: 'ARIES_E_CLASS_UNKNOWN' } })
    const unknownNode = await cluster.post('/api/workers/counter/a%20b/move', { to: 'n9' })
    t.match(unknownNode.body, { error: { code: 'ARIES_E_NODE_UNKNOWN' } })
    const here = (await cluster.get('/api/workers')).find((w) => w.key === 'a b')!.node
    const same = await cluster.post('/api/workers/counter/a%20b/move', { to: here })
    t.match(same.body, { error: { code: 'ARIES_E_MOVE_REFUSED' } })
    const other = here === 'n1' ? 'n2' : 'n1'
    t.equal((await cluster.post(`/api/nodes/${other}/cordon`)).status, 200)
    await until('everyone knows of the cordon', async () =>
      (await cluster.get('/api/cluster')).members.some((m) => m.id === other && m.cordoned),
    )
    const cordoned = await cluster.post('/api/workers/counter/a%20b/move', { to: other })
    t.equal(cordoned.status, 409)
    t.match(cordoned.body, { error: { message: /cordoned/ } })
    await cluster.post(`/api/nodes/${other}/undrain`)

    for (const id of ['n1', 'n2']) await cluster.post(`/api/nodes/${id}/cordon`)
    await until('everyone knows that all are closed', async () =>
      (await cluster.get('/api/cluster')).members.every((m) => m.role === 'front' || m.cordoned),
    )
    const closed = await client.send('GET', '/counter/never-seen-before')
    t.equal(closed.status, 503)
    t.match(closed.body, 'ARIES_E_NO_NODE')
    for (const id of ['n1', 'n2']) await cluster.post(`/api/nodes/${id}/undrain`)

    const plain = await fetch(`http://${cluster.adminAddress}/api/nodes/n1/drain`, {
      method: 'POST',
    })
    t.equal(plain.status, 400, 'a POST without the JSON type is refused')
    t.equal((await fetch(`http://${cluster.adminAddress}/nothing`)).status, 404)
    const admin = `http://${cluster.adminAddress}/api/cluster`
    for (const headers of [{ host: 'evil.example' }, { origin: 'http://evil.example' }]) {
      const { statusCode } = await request(admin, { headers })
      t.equal(statusCode, 401, `a page of another origin is refused: ${JSON.stringify(headers)}`)
    }
    const byName = await request(admin, { headers: { host: 'localhost:7300' } })
    t.equal(byName.statusCode, 200)
    await byName.body.dump()
    const metrics = await (await fetch(`http://${cluster.adminAddress}/metrics`)).text()
    t.match(metrics, /aries_front_requests_total\{[^}]*route="worker"/)
    const detail = (await cluster.get('/api/workers/counter/a%20b')) as { decision: unknown }
    t.match(detail.decision, { chosen: here, candidates: [{ cost: Number, marginal: Number }] })
    const stranger = await fetch(`http://127.0.0.1:${cluster.dataPort('n1')}/rpc/workers`, {
      method: 'POST',
      body: '{}',
    })
    t.equal(stranger.status, 401, 'the data port asks for the key')
  })
  if (!t.passing()) t.comment(cluster.logs())
})
