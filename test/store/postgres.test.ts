import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import { MIGRATIONS } from '../../src/store/postgres/schema.ts'
import type { Store } from '../../src/store/store.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'
import { storeContract } from './contract.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn, worker } from './helpers.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const written: string[] = []
const log = createLogger({ role: 'node', id: 'test' }, 'trace', {
  write: (line) => void written.push(line),
})
const open = (url = postgres.url): Promise<Store> => openStore({ log }, url)
const { password } = new URL(postgres.url)

t.test('many open a new database at once', async (t) => {
  const stores = await Promise.all(Array.from({ length: 5 }, () => open()))
  const incarnations = await Promise.all(stores.map((store) => store.register('n1', LEASE_MS)))
  t.same(new Set(incarnations), new Set([1, 2, 3, 4, 5]))
  await Promise.all(stores.map((store) => store.close()))
})

t.test('PostgreSQL keeps the contract', (t) => storeContract(t, { open: () => open() }))

t.test('claims of the same workers in opposite orders never wait in a circle', async (t) => {
  const [a, b] = [await open(), await open()]
  t.teardown(() => Promise.all([a.close(), b.close()]))
  const { node } = await ownedWorker(a)
  const ids = Array.from({ length: 9 }, () => worker())
  await Promise.all(ids.map((id) => a.claim(claimOf(id, 0, node, 1))))
  const admin = await connect(t)
  await admin.query('BEGIN')
  const middle = [ids[4]?.key]
  await admin.query({ text: 'SELECT FROM aries_workers WHERE key = $1 FOR UPDATE', values: middle })
  const claims = [
    ...ids.map((id) => a.claim(claimOf(id, 1, node, 1))),
    ...ids.toReversed().map((id) => b.claim(claimOf(id, 1, node, 1))),
  ]
  await waiters(2)
  await admin.query('ROLLBACK')
  t.equal((await Promise.all(claims)).filter(({ ok }) => ok).length, ids.length)
  // The server counts when a session reports, which is at the latest when it ends.
  await Promise.all([a.close(), b.close()])
  const { rows } = await admin.query(
    'SELECT sum(deadlocks)::int AS deadlocks FROM pg_stat_database',
  )
  t.same(rows, [{ deadlocks: 0 }])
})

t.test('the password is in no message and no log line', async (t) => {
  const url = new URL(postgres.url)
  url.password = 'wrong-secret'
  await t.rejects(open(url.href), {
    code: 'ARIES_E_STORE',
    message: /password authentication failed/,
  })
  url.pathname = '/no-such-database'
  url.password = password
  await t.rejects(open(url.href), { code: 'ARIES_E_STORE', message: /does not exist/ })
  for (const bad of [`postgres://u:${password}@host:port/db`, `postgres://u:${password}@[/db`]) {
    const error: Error = await open(bad).then(
      () => new Error('opened'),
      (thrown) => thrown,
    )
    t.match(error, { code: 'ARIES_E_CONFIG' })
    t.notMatch(`${error.stack}`, password)
  }
  const store = await open()
  t.match(store.description, /^postgres:\/\/aries@127\.0\.0\.1:\d+\/postgres$/)
  await store.close()
  t.not(written.length, 0)
  t.notMatch(written.join(''), password)
  t.notMatch(written.join(''), 'wrong-secret')
})

t.test('an eviction waits for the commit that holds the node, and voids the next', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  const { node, id } = await ownedWorker(store)
  const admin = await connect(t)
  await admin.query('BEGIN')
  await admin.query({
    text: 'SELECT FROM aries_workers WHERE key = $1 FOR UPDATE',
    values: [id.key],
  })
  const commit = store.commit(node, 1, [turn(id, 1, 1, { v: '1' })])
  await waiters(1)
  const evict = store.evict(node, 1)
  await waiters(2)
  t.equal(await store.renew(node, 1, LEASE_MS), true, 'a renewal waits for neither')
  await admin.query('ROLLBACK')
  t.same(await commit, ['ok'])
  t.equal(await evict, true)
  t.same(await store.commit(node, 1, [turn(id, 1, 2, { v: '2' })]), ['fenced'])
  t.same(await stateOf(store, id), { v: '1' })
})

t.test('an eviction while the connection that listens is lost is heard of', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  const { node } = await ownedWorker(store)
  let heard = 0
  t.teardown(store.watch(node, () => heard++))
  const admin = await connect(t)
  const listening = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'aries-watch' AND query LIKE '%status = ''evicted''%'`
  await until('it listens', async () => (await admin.query(listening)).rowCount === 1)
  await store.evict(node, 1)
  await until('the eviction is heard of', () => heard > 0)
})

t.test('a database of the first version is brought up to date', async (t) => {
  const admin = await connect(t)
  await admin.query('CREATE DATABASE first')
  const url = new URL(postgres.url)
  url.pathname = '/first'
  const first = new pg.Client({ connectionString: url.href })
  await first.connect()
  await first.query(`CREATE TABLE aries_meta (name text PRIMARY KEY, value text NOT NULL);
    INSERT INTO aries_meta VALUES ('schema', '1'); ${MIGRATIONS[0]};
    INSERT INTO aries_workers (class, key, node, incarnation, epoch, seq)
    VALUES ('counter', 'written', 'n1', 1, 1, 3), ('counter', 'empty', 'n1', 1, 1, 0)`)
  await first.end()
  const store = await open(url.href)
  t.match(await store.owner({ class: 'counter', key: 'written' }), { seq: 3, version: 1 })
  t.match(await store.owner({ class: 'counter', key: 'empty' }), { seq: 0, version: 0 })
  await store.close()
})

t.test('a schema newer than the code is refused', async (t) => {
  const admin = await connect(t)
  await admin.query("UPDATE aries_meta SET value = '99'")
  await t.rejects(open(), { code: 'ARIES_E_STORE_NEWER', message: /version 99.*newer Aries/ })
})

async function connect(t: { teardown(end: () => Promise<void>): void }): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url })
  client.on('error', () => undefined)
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** Resolves when so many statements of the stores wait for a lock. */
async function waiters(count: number): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  const waiting = `SELECT count(*)::int AS waiting FROM pg_stat_activity
    WHERE application_name = 'aries' AND wait_event_type = 'Lock'`
  try {
    const deadlineMs = performance.now() + 10_000
    while (performance.now() < deadlineMs) {
      if ((await client.query(waiting)).rows[0].waiting === count) return
      await sleep(5)
    }
    throw new Error(`there are not ${count} statements waiting for a lock`)
  } finally {
    await client.end()
  }
}
