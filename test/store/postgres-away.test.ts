import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn } from './helpers.ts'

const log = createLogger({ role: 'node', id: 'test' }, 'silent')
const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const open = (): Promise<Store> => openStore({ log }, postgres.url)

t.test('a restart under load loses nothing that was acknowledged, and fails few', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  const loads = await Promise.all(Array.from({ length: 8 }, () => startLoad(store)))
  await Promise.all(loads.map((load) => load.reaches(20)))
  await postgres.restart()
  await Promise.all(loads.map((load) => load.reaches(20)))
  await Promise.all(loads.map((load) => load.stop()))
  for (const load of loads) {
    const { seq } = (await store.load(load.id))!
    t.equal(seq, load.acknowledged())
    t.same(await stateOf(store, load.id), { v: String(seq) })
  }
})

t.test('connections that are cut in the middle: each turn is applied once', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  const admin = new pg.Client({ connectionString: postgres.url })
  await admin.connect()
  t.teardown(() => admin.end())
  const load = await startLoad(store)
  for (let cut = 0; cut < 20; cut++) {
    await load.reaches(5)
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aries'",
    )
  }
  await load.reaches(5)
  await load.stop()
  t.match(await store.load(load.id), { seq: load.acknowledged() })
})

t.test('an answer that is lost after the work was done', async (t) => {
  const proxy = await startProxy(t)
  const store = await openStore({ log }, proxy.url)
  t.teardown(() => store.close())
  const { node, id } = await ownedWorker(store)
  proxy.loseNextAnswer()
  t.same(await store.commit(node, 1, [turn(id, 1, 1, { v: '1' })]), ['ok'], 'found to be done')
  t.match(await store.load(id), { seq: 1 })
  proxy.loseNextAnswer()
  const claim = store.claim(claimOf(id, 1, node, 1))
  await t.rejects(claim, { code: 'ARIES_E_STORE', message: /lost during a claim/ })
  t.match(await store.owner(id), { epoch: 2 })
  await store.evict(node, 1)
  proxy.loseNextAnswer()
  const late = store.commit(node, 1, [turn(id, 2, 2, { v: '2' })])
  await t.rejects(late, { code: 'ARIES_E_STORE', message: /lost during a commit/ }, 'not known')
})

t.test('while the server is away calls fail in bounded time; then they work again', async (t) => {
  const store = await open()
  t.teardown(() => store.close())
  const { node, id } = await ownedWorker(store)
  await postgres.halt()
  const calls = [
    store.commit(node, 1, [turn(id, 1, 1, { v: 'away' })]),
    store.owner(id),
    store.renew(node, 1, LEASE_MS),
  ]
  for (const result of await Promise.allSettled(calls)) {
    t.match(result, { status: 'rejected', reason: { code: 'ARIES_E_STORE' } })
  }
  await t.rejects(store.nodes(), { code: 'ARIES_E_STORE' }, 'known to be away: tried once')
  await postgres.restart()
  t.same(await store.commit(node, 1, [turn(id, 1, 1, { v: 'back' })]), ['ok'])
  t.same(await stateOf(store, id), { v: 'back' })
})

/** Passes bytes between the store and the server; may cut the connection instead of an answer. */
async function startProxy(t: { teardown(end: () => void): void }): Promise<{
  url: string
  loseNextAnswer(): void
}> {
  const target = new URL(postgres.url)
  let lose = false
  const server = createServer((client) => {
    const upstream = createConnection(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    upstream.on('data', (answer) => {
      if (lose) client.destroy()
      else client.write(answer)
      lose = false
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const url = new URL(postgres.url)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    loseNextAnswer() {
      lose = true
    },
  }
}

interface Load {
  readonly id: { class: string; key: string }
  acknowledged(): number
  /** Resolves when so many more turns were acknowledged; rejects when one failed. */
  reaches(count: number): Promise<void>
  stop(): Promise<void>
}

/** One worker that commits turn after turn. */
async function startLoad(store: Store): Promise<Load> {
  const { node, id } = await ownedWorker(store)
  let acknowledged = 0
  let stopped = false
  const loop = (async () => {
    while (!stopped) {
      const seq = acknowledged + 1
      const [result] = await store.commit(node, 1, [turn(id, 1, seq, { v: String(seq) })])
      if (result !== 'ok') throw new Error(`turn ${seq} was ${result}`)
      acknowledged = seq
    }
  })()
  const failed = loop.then(() => undefined)
  failed.catch(() => undefined)
  return {
    id,
    acknowledged: () => acknowledged,
    async reaches(count) {
      const wanted = acknowledged + count
      while (acknowledged < wanted) await Promise.race([failed, sleep(1)])
    },
    stop() {
      stopped = true
      return loop
    },
  }
}
