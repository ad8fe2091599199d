import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

/** A turn that waits puts a move off; `ps` says why, until it is over. */
export async function longTurnPutsMoveOff(t: Test, cluster: TestCluster): Promise<void> {
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const { node } = await client.send('GET', '/library/a')
  const to = node === 'n1' ? 'n2' : 'n1'
  const cannotMove = async (): Promise<string | undefined> =>
    (await cluster.get('/api/workers')).find((worker) => worker.class === 'library')?.cannotMove

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
}
