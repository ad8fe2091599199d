import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/log.ts'
import { Lease } from '../../src/node/lease.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../helpers/until.ts'

const LEASE_MS = 300
const log = createLogger({ role: 'node', id: 'n1' }, 'silent')

async function storeOf(t: Test): Promise<Store> {
  const store = await openStore({ log }, `sqlite:${join(t.testdir(), 'aries.db')}`)
  t.teardown(() => store.close())
  return store
}

t.test('a lease', async (t) => {
  const store = await storeOf(t)
  const granted: number[] = []
  const lost: string[] = []
  const lease = new Lease(
    { store, log, world: realWorld },
    { node: 'n1', leaseMs: LEASE_MS },
    { granted: (incarnation) => granted.push(incarnation), lost: (why) => lost.push(why) },
  )
  await lease.start()
  t.strictSame(granted, [1])
  t.equal(lease.incarnation, 1)

  const until1 = (await store.nodes())[0]!.leaseUntilMs
  await until('it is renewed', async () => (await store.nodes())[0]!.leaseUntilMs > until1)

  await store.evict('n1', 1)
  await until('the evicted node registers anew', () => granted.length === 2)
  t.strictSame(granted, [1, 2])
  t.equal(lost.length, 1)
  t.equal(lease.incarnation, 2)

  t.ok(await lease.confirm(), 'it holds')
  await store.evict('n1', 2)
  t.strictSame(await Promise.all([lease.confirm(), lease.confirm()]), [false, false])
  t.strictSame(granted, [1, 2, 3], 'two that find it evicted register it once')

  await lease.stop()
  t.equal((await store.nodes())[0]!.status, 'left')
  t.equal(granted.length, 3)
})

t.test(
  'a node that cannot reach the store gives its incarnation up when the lease ends',
  async (t) => {
    const store = await storeOf(t)
    const lost: string[] = []
    const lease = new Lease(
      { store, log, world: realWorld },
      { node: 'n1', leaseMs: LEASE_MS },
      { granted: () => {}, lost: (why) => lost.push(why) },
    )
    await lease.start()
    await store.close()
    await until('the lease is lost', () => lost.length === 1)
    t.equal(lease.incarnation, 0)
    t.ok(lease.trouble, 'it says what is wrong')
    await lease.stop()
  },
)

t.test('an answer that does not come does not make the lease longer', async (t) => {
  const store = await storeOf(t)
  let answer: (held: boolean) => void = () => {}
  const renew = (): Promise<boolean> =>
    new Promise((resolve) => {
      answer = resolve
    })
  const slow = new Proxy(store, {
    get(target, name) {
      if (name === 'renew') return renew
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  const granted: number[] = []
  const lost: string[] = []
  const lease = new Lease(
    { store: slow, log, world: realWorld },
    { node: 'n1', leaseMs: LEASE_MS },
    { granted: (incarnation) => granted.push(incarnation), lost: (why) => lost.push(why) },
  )
  await lease.start()
  await until('the store is seen to be late', () => lease.trouble !== undefined)
  t.match(lease.trouble, /no answer for \d+ ms/)
  await until('the lease is lost', () => lost.length === 1)
  answer(true)
  await until('it registers anew', () => granted.length === 2)
  t.strictSame(granted, [1, 2], 'the late answer does not bring the old incarnation back')
  t.equal(lost.length, 1)
  await lease.stop()
})

t.test('an eviction is not found out at the next renewal only', async (t) => {
  const store = await storeOf(t)
  const events: string[] = []
  const lease = new Lease(
    { store, log, world: realWorld },
    { node: 'n1', leaseMs: 3_600_000 },
    { granted: () => events.push('granted'), lost: () => events.push('lost') },
  )
  await lease.start()
  await store.evict('n1', 1)
  await until('it registers anew', () => events.length === 3)
  t.strictSame(events, ['granted', 'lost', 'granted'])
  await lease.stop()
})
