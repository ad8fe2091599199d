import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn, unique } from './helpers.ts'

export async function fenceRules(t: Test, store: Store): Promise<void> {
  const ends: Record<string, (node: string) => Promise<unknown>> = {
    eviction: (node) => store.evict(node, 1),
    leaving: (node) => store.leave(node, 1),
    'a new registration': (node) => store.register(node, LEASE_MS),
  }
  for (const [what, end] of Object.entries(ends)) {
    await t.test(`${what} fences every later commit of the incarnation`, async (t) => {
      const { node, id } = await ownedWorker(store)
      await store.commit(node, 1, [turn(id, 1, 1, { v: 'before' })])
      await end(node)
      t.same(await store.commit(node, 1, [turn(id, 1, 2, { v: 'zombie' })]), ['fenced'])
      t.same(await stateOf(store, id), { v: 'before' })
    })
  }

  await t.test('an owner that was taken over cannot commit, even while active', async (t) => {
    const { node, id } = await ownedWorker(store)
    const heir = unique('heir')
    await store.register(heir, LEASE_MS)
    await store.claim(claimOf(id, 1, heir, 1, 'handover'))
    t.same(await store.commit(node, 1, [turn(id, 1, 1, { v: 'old' })]), ['fenced'])
    t.same(await store.commit(node, 1, [turn(id, 2, 1, { v: 'old' })]), ['fenced'])
    t.same(await store.commit(heir, 1, [turn(id, 2, 1, { v: 'new' })]), ['ok'])
    t.same(await stateOf(store, id), { v: 'new' })
  })

  await t.test(
    'commits race an eviction and a takeover: what was acknowledged stays',
    async (t) => {
      for (let round = 0; round < 15; round++) {
        const { node, id } = await ownedWorker(store)
        const heir = unique('heir')
        await store.register(heir, LEASE_MS)
        let acknowledged = 0
        const commits = (async () => {
          for (let seq = 1; ; seq++) {
            const [result] = await store.commit(node, 1, [turn(id, 1, seq, { v: String(seq) })])
            if (result === 'fenced') return
            acknowledged = seq
          }
        })()
        while (acknowledged < round % 5) await new Promise(setImmediate)
        await store.evict(node, 1)
        const claim = await store.claim(claimOf(id, 1, heir, 1))
        await commits
        t.same(claim, { ok: true, epoch: 2, seq: acknowledged })
        t.match(await store.load(id), { epoch: 2, seq: acknowledged })
        const value = acknowledged === 0 ? {} : { v: String(acknowledged) }
        t.same(await stateOf(store, id), value)
      }
    },
  )
}
