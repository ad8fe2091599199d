import type { Test } from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import type { Store } from '../../src/store/store.ts'
import type { ContractFixture } from './contract.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn, unique, worker } from './helpers.ts'

export async function readRules(t: Test, store: Store, fixture: ContractFixture): Promise<void> {
  await t.test('what does not exist is undefined', async (t) => {
    t.equal(await store.owner(worker()), undefined)
    t.equal(await store.load(worker()), undefined)
    t.same(await store.ownedBy(unique('node'), 10), [])
  })

  await t.test('owners asked for at once come each to who asked', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    const ids = Array.from({ length: 30 }, (_, i) => ({ class: 'counter', key: `${node}/${i}` }))
    const made = ids.filter((_, i) => i % 3 !== 0)
    await Promise.all(made.map((id) => store.claim(claimOf(id, 0, node, 1))))
    const owners = await Promise.all([...ids, ...ids].map((id) => store.owner(id)))
    const expected = ids.map((id, i) => (i % 3 === 0 ? undefined : id.key))
    t.same(
      owners.map((owner) => owner?.id.key),
      [...expected, ...expected],
    )
  })

  await t.test('the workers of a node come in pages, in order of class and key', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    const keys = ['b', 'a', 'B', 'é', '🔑', 'aa', '￿', 'a b']
    const ids = ['room', 'counter'].flatMap((name) =>
      keys.map((key) => ({ class: name, key: `${node}/${key}` })),
    )
    await Promise.all(ids.map((id) => store.claim(claimOf(id, 0, node, 1))))
    await store.register(node, LEASE_MS)
    const newest = { class: 'zebra', key: node }
    await store.claim(claimOf(newest, 0, node, 2))
    const text = (id: WorkerId): Buffer => Buffer.from(`${id.class} ${id.key}`)
    const expected = [...ids, newest].sort((a, b) => Buffer.compare(text(a), text(b)))

    const seen: WorkerId[] = []
    for (let after: WorkerId | undefined; ; after = seen.at(-1)) {
      const page = await store.ownedBy(node, 5, after)
      t.ok(page.length <= 5)
      for (const { id, incarnation, ownerActive } of page) {
        seen.push(id)
        t.equal(ownerActive, incarnation === 2, 'only the newest incarnation is active')
      }
      if (page.length < 5) break
    }
    t.same(seen, expected)
  })

  await t.test('a large state loads whole, beside small commits', async (t) => {
    const { node, id } = await ownedWorker(store)
    const small = worker()
    await store.claim(claimOf(small, 0, node, 1))
    const big: Record<string, Uint8Array> = {}
    for (let i = 0; i < 40; i++) big[`big${i}`] = new Uint8Array(1_048_576).fill(i)
    for (let i = 0; i < 5_000; i++) big[`small${i}`] = Buffer.from(String(i))
    t.same(await store.commit(node, 1, [turn(id, 1, 1, big)]), ['ok'])
    const [loaded, result] = await Promise.all([
      store.load(id),
      store.commit(node, 1, [turn(small, 1, 1, { v: '1' })]),
    ])
    t.same(result, ['ok'])
    t.match(loaded, { epoch: 1, seq: 1 })
    t.equal(loaded?.sections.length, 5_040)
    const wrong = loaded?.sections.filter(({ name, value }) => !same(value, big[name]))
    t.same(wrong, [])
  })

  await t.test('a load shows one committed turn, never a mix of two', async (t) => {
    const { node, id } = await ownedWorker(store)
    let done = false
    const commits = (async () => {
      for (let seq = 1; seq <= 12; seq++) {
        const set: Record<string, Uint8Array> = {}
        for (let i = 0; i < 10; i++) set[`s${i}`] = new Uint8Array(1_048_576).fill(seq)
        await store.commit(node, 1, [turn(id, 1, seq, set)])
      }
      done = true
    })()
    while (!done) {
      const loaded = await store.load(id)
      const turns = new Set(loaded?.sections.map(({ value }) => value[1_000]))
      t.same([...turns], loaded?.seq === 0 ? [] : [loaded?.seq])
    }
    await commits
  })

  await t.test('everything survives a close and a new open', async (t) => {
    const first = await fixture.open()
    const { node, id } = await ownedWorker(first)
    await first.commit(node, 1, [turn(id, 1, 1, { v: 'kept' })])
    await first.close()
    const second = await fixture.open()
    t.teardown(() => second.close())
    t.match(await second.owner(id), { node, epoch: 1, seq: 1, ownerActive: true })
    t.same(await stateOf(second, id), { v: 'kept' })
  })

  await t.test('a close finishes what was begun and refuses what comes after', async (t) => {
    const closing = await fixture.open()
    const { node, id } = await ownedWorker(closing)
    const begun = closing.commit(node, 1, [turn(id, 1, 1, { v: '1' })])
    await Promise.all([closing.close(), closing.close()])
    await closing.close()
    t.same(await begun, ['ok'])
    await t.rejects(closing.commit(node, 1, [turn(id, 1, 2)]), { code: 'ARIES_E_STORE' })
    await t.rejects(closing.owner(id), { code: 'ARIES_E_STORE' })
  })
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0
}
