import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const library = fileURLToPath(new URL('../host/fixtures/library.ts', import.meta.url))

t.test('a turn that waits puts a move off; ps says why, until it is over', async (t) => {
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: [{ path: '/library/:key', worker: library }],
    config: { move: { turnBudgetMs: 1_000 } },
  })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const { node } = await client.send('GET', '/library/a')
  const to = node === 'n1' ? 'n2' : 'n1'
  const cannotMove = async (): Promise<string | undefined> =>
    (await cluster.get('/api/workers')).find(({ key }) => key === 'a')?.cannotMove

  t.equal(await cannotMove(), undefined)
  const gate = join(t.testdir(), 'gate')
  const turn = client.send('POST', `/library/a?do=add&book=Emma&until=${gate}`)
  await until('ps says it', async () =>
    /^a turn has run for \d+ s$/.test((await cannotMove()) ?? ''),
  )
  const refused = await cluster.post('/api/workers/library/a/move', { to })
  t.not(refused.status, 200)
  t.match(JSON.stringify(refused.body), /a turn ran on for over 1000 ms/)
  writeFileSync(gate, '')
  t.equal((await turn).status, 200, 'the turn counts')
  await until('it can be moved', async () => (await cannotMove()) === undefined)
  const moved = await cluster.post('/api/workers/library/a/move', { to })
  t.equal(moved.status, 200, JSON.stringify(moved.body))
  t.same(JSON.parse((await client.send('GET', '/library/a')).body), ['Emma'])
  if (!t.passing()) t.comment(cluster.logs())
})
