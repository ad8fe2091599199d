import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { LEASE_MS, unique } from './helpers.ts'

export async function nodeRules(t: Test, store: Store): Promise<void> {
  const record = async (id: string) => (await store.nodes()).find((node) => node.id === id)

  await t.test('a registration makes the next incarnation and voids the last', async (t) => {
    const node = unique('node')
    t.equal(await store.register(node, LEASE_MS), 1)
    t.equal(await store.register(node, LEASE_MS), 2)
    t.equal(await store.renew(node, 1, LEASE_MS), false)
    t.equal(await store.renew(node, 2, LEASE_MS), true)
    t.equal(await store.evict(node, 1), false)
    t.match(await record(node), { id: node, incarnation: 2, status: 'active' })
  })

  await t.test('a lease runs on the clock of the store and is extended', async (t) => {
    const node = unique('node')
    const beforeMs = Date.now()
    await store.register(node, 10_000)
    const first = (await record(node))!.leaseUntilMs
    // Store and test are on one machine; only the rounding of their clocks may differ.
    t.ok(first >= beforeMs + 9_990 && first <= Date.now() + 10_010, `${first} from ${beforeMs}`)
    await store.renew(node, 1, 20_000)
    t.ok((await record(node))!.leaseUntilMs >= beforeMs + 19_990)
  })

  await t.test('one call evicts; an evicted incarnation cannot renew or come back', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    const done = await Promise.all([1, 2, 3].map(() => store.evict(node, 1)))
    t.equal(done.filter((one) => one).length, 1)
    t.equal((await record(node))?.status, 'evicted')
    t.equal(await store.renew(node, 1, LEASE_MS), false)
    t.equal(await store.register(node, LEASE_MS), 2)
    t.equal((await record(node))?.status, 'active')
  })

  await t.test('who was evicted evicts nobody', async (t) => {
    const [one, two] = [unique('node'), unique('node')]
    for (const node of [one, two]) await store.register(node, LEASE_MS)
    t.equal(await store.evict(one, 1, { node: two, incarnation: 2 }), false, 'not yet registered')
    t.equal(await store.evict(one, 1, { node: two, incarnation: 1 }), true)
    t.equal(await store.evict(two, 1, { node: one, incarnation: 1 }), false)
    t.equal((await record(two))?.status, 'active')
    await store.register(one, LEASE_MS)
    t.equal(await store.evict(two, 1, { node: one, incarnation: 1 }), false, 'an older incarnation')
    t.equal(await store.evict(two, 1, { node: one, incarnation: 2 }), true)
  })

  await t.test('of two nodes that evict each other one wins', async (t) => {
    const nodes = [unique('node'), unique('node')] as const
    for (const node of nodes) await store.register(node, LEASE_MS)
    const done = await Promise.all([
      store.evict(nodes[0], 1, { node: nodes[1], incarnation: 1 }),
      store.evict(nodes[1], 1, { node: nodes[0], incarnation: 1 }),
    ])
    t.equal(done.filter((one) => one).length, 1)
  })

  await t.test('to leave is idempotent and touches no newer incarnation', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    await store.leave(node, 1)
    await store.leave(node, 1)
    t.equal((await record(node))?.status, 'left')
    t.equal(await store.evict(node, 1), false, 'who left is not evicted')
    await store.register(node, LEASE_MS)
    await store.leave(node, 1)
    t.equal((await record(node))?.status, 'active')
  })

  await t.test('nobody knows a node that never registered', async (t) => {
    const node = unique('node')
    t.equal(await store.renew(node, 1, LEASE_MS), false)
    t.equal(await store.evict(node, 1), false)
    await store.leave(node, 1)
    t.equal(await record(node), undefined)
  })
}
