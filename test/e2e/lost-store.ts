import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import type { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const POST = { method: 'POST' }

/** The only node's store does not answer for a while: reads go on, writes are told, it comes back. */
export async function storeLostForAWhile(t: Test, cluster: TestCluster): Promise<void> {
  const a = `${cluster.url}/counter/lost-a`
  const b = `${cluster.url}/counter/lost-b`
  for (const url of [a, b]) t.equal((await fetch(url, POST)).status, 200)

  const db = new DatabaseSync(join(cluster.dir, 'aries.db'))
  t.teardown(() => db.close())
  db.exec('BEGIN IMMEDIATE')
  const write = fetch(a, POST)
  const readyz = `http://127.0.0.1:${cluster.adminPort('n1')}/readyz`
  await until('the node says so', async () => (await fetch(readyz)).status === 503)
  t.match(await (await fetch(readyz)).text(), /the store does not answer/)
  const refused = await fetch(b, POST)
  t.equal(refused.status, 503)
  t.ok(refused.headers.get('retry-after'))
  t.match(await refused.json(), { error: { code: 'ARIES_E_STORE' } })
  const read = await fetch(b)
  t.equal(read.status, 200)
  t.match(await read.json(), { value: 1 })
  const sent = await write
  t.equal(sent.status, 502)
  t.match(await sent.json(), { error: { code: 'ARIES_E_OUTCOME_UNKNOWN' } })

  db.exec('ROLLBACK')
  await until('it is ready again', async () => (await fetch(readyz)).status === 200)
  await until('writes go on', async () => (await fetch(b, POST)).status === 200)
  t.match(await (await fetch(b)).json(), { value: 2 }, 'the refused one was not applied')
  t.equal((await fetch(a)).status, 200)
}
