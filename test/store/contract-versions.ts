import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { claimOf, LEASE_MS, ownedWorker, turn, unique } from './helpers.ts'

export async function versionRules(t: Test, store: Store, other: Store): Promise<void> {
  await t.test('the version of a state is what its last commit with one said', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    const version = async (): Promise<unknown[]> => [
      (await store.owner(id))?.version,
      (await other.load(id))?.version,
    ]
    t.same(await version(), [0, 0], 'nothing was written')
    const commit = (...records: Parameters<Store['commit']>[2]) =>
      store.commit(node, incarnation, records)
    t.same(await commit({ ...turn(id, 1, 1, { a: '1' }), version: 2 }), ['ok'])
    t.same(await version(), [2, 2])
    t.same(await commit(turn(id, 1, 2, { a: '2' })), ['ok'])
    t.same(await version(), [2, 2], 'a commit without one leaves it')
    t.same(await commit({ ...turn(id, 1, 3), version: 5 }, turn(id, 1, 4)), ['ok', 'ok'])
    t.same(await version(), [5, 5], 'of several turns at once the last that has one counts')
    t.same(await commit({ ...turn(id, 1, 9), version: 7 }), ['fenced'])
    t.same(await version(), [5, 5], 'a refused commit changes nothing')
  })

  await t.test('an older class gets no newer state, in neither mode', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    await store.commit(node, incarnation, [{ ...turn(id, 1, 1), version: 3 }])
    const heir = unique('heir')
    await store.register(heir, LEASE_MS)
    const handover = { ...claimOf(id, 1, heir, 1, 'handover'), classVersion: 2 }
    t.match(await store.claim(handover), { ok: false, reason: 'class-older', owner: { node } })
    await store.evict(node, incarnation)
    const takeover = claimOf(id, 1, heir, 1)
    const older = await store.claim({ ...takeover, classVersion: 2 })
    t.match(older, { ok: false, reason: 'class-older', owner: { epoch: 1, version: 3 } })
    t.match(await store.claim({ ...takeover, classVersion: 3 }), { ok: true, epoch: 2 })
    const again = { ...claimOf(id, 2, heir, 1), classVersion: 9 }
    t.match(await store.claim(again), { ok: true, epoch: 3, seq: 1 }, 'a newer class may')
    t.match(await store.claim(claimOf(id, 3, heir, 1)), { ok: true }, 'who names none is not asked')
  })

  await t.test('a claim by an older class and a newer state at once: never both', async (t) => {
    for (let round = 0; round < 20; round++) {
      const { node, incarnation, id } = await ownedWorker(store)
      await store.commit(node, incarnation, [{ ...turn(id, 1, 1), version: 1 }])
      const heir = unique('heir')
      await store.register(heir, LEASE_MS)
      const claim = { ...claimOf(id, 1, heir, 1, 'handover'), classVersion: 1 }
      const newer = { ...turn(id, 1, 2), version: 2 }
      const [claimed, [committed]] = await Promise.all([
        other.claim(claim),
        store.commit(node, incarnation, [newer]),
      ])
      const version = (await store.owner(id))?.version
      if (claimed.ok) t.same([committed, version], ['fenced', 1])
      else t.same([claimed.reason, committed, version], ['class-older', 'ok', 2])
    }
  })
}
