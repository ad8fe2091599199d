import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn, unique, worker } from './helpers.ts'

export async function claimRules(t: Test, store: Store, other: Store): Promise<void> {
  await t.test('the first claim creates the worker, empty, at epoch 1', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    const made = { epoch: 1, seq: 0, version: 0 }
    t.same(await store.owner(id), { id, node, incarnation, host: 1, ...made, ownerActive: true })
    t.same(await store.load(id), { ...made, sections: [] })
  })

  await t.test('a claim from another epoch than the current is a conflict', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    for (const epoch of [0, 2, 7]) {
      const result = await store.claim(claimOf(id, epoch, node, incarnation, 'handover'))
      t.match(result, { ok: false, reason: 'conflict', owner: { id, node, epoch: 1 } })
    }
    const unknown = await store.claim(claimOf(worker(), 3, node, incarnation))
    t.same(unknown, { ok: false, reason: 'conflict' }, 'no record to show')
  })

  await t.test('a takeover waits until the last owner is gone, a handover does not', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    const heir = unique('heir')
    await store.register(heir, LEASE_MS)
    const takeover = claimOf(id, 1, heir, 1)
    t.match(await store.claim(takeover), { ok: false, reason: 'owner-active', owner: { node } })
    t.same(await store.claim(claimOf(id, 1, heir, 1, 'handover')), { ok: true, epoch: 2, seq: 0 })
    t.match(await store.owner(id), { node: heir, incarnation: 1, epoch: 2, ownerActive: true })
    const back = claimOf(id, 1, node, incarnation)
    t.match(await store.claim(back), { ok: false, reason: 'conflict', owner: { node: heir } })
  })

  const ends: Record<string, (node: string) => Promise<unknown>> = {
    'was evicted': (node) => store.evict(node, 1),
    left: (node) => store.leave(node, 1),
    'registered anew': (node) => store.register(node, LEASE_MS),
  }
  for (const [how, end] of Object.entries(ends)) {
    await t.test(`a worker whose owner ${how} is taken over with its turns`, async (t) => {
      const { node, id } = await ownedWorker(store)
      await store.commit(node, 1, [turn(id, 1, 1, { value: 'kept' })])
      await end(node)
      t.equal((await store.owner(id))?.ownerActive, false)
      const heir = unique('heir')
      await store.register(heir, LEASE_MS)
      t.same(await store.claim(claimOf(id, 1, heir, 1)), { ok: true, epoch: 2, seq: 1 })
      t.same(await stateOf(store, id), { value: 'kept' })
    })
  }

  await t.test('the record tells which host of the node a claim was made for', async (t) => {
    const { node, incarnation, id } = await ownedWorker(store)
    const moved = { ...claimOf(id, 1, node, incarnation, 'handover'), host: 2 }
    t.same(await store.claim(moved), { ok: true, epoch: 2, seq: 0 })
    const late = await store.claim(claimOf(id, 1, node, incarnation, 'handover'))
    t.match(late, { ok: false, reason: 'conflict', owner: { node, host: 2, epoch: 2 } })
    t.match(await other.owner(id), { host: 2 })
  })

  await t.test('an owner takes over from itself: its old epoch is void then', async (t) => {
    const { node, id } = await ownedWorker(store)
    t.match(await store.claim(claimOf(id, 1, node, 1)), { ok: true, epoch: 2 })
    t.same(await store.commit(node, 1, [turn(id, 1, 1)]), ['fenced'])
    t.same(await store.commit(node, 1, [turn(id, 2, 1)]), ['ok'])
  })

  await t.test('a claimer whose incarnation is void is fenced, in both modes', async (t) => {
    const { node, id } = await ownedWorker(store)
    const gone = unique('gone')
    await store.register(gone, LEASE_MS)
    await store.evict(gone, 1)
    for (const mode of ['takeover', 'handover'] as const) {
      const result = await store.claim(claimOf(id, 1, gone, 1, mode))
      t.match(result, { ok: false, reason: 'fenced', owner: { node } })
    }
    t.same(await store.claim(claimOf(worker(), 0, gone, 1)), { ok: false, reason: 'fenced' })
    t.same(await store.claim(claimOf(worker(), 0, unique('never'), 1)), {
      ok: false,
      reason: 'fenced',
    })
  })

  await t.test('of many who claim a worker at once exactly one wins', async (t) => {
    const nodes = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const node = unique('racer')
        return { node, incarnation: await store.register(node, LEASE_MS) }
      }),
    )
    for (let round = 0; round < 10; round++) {
      const id = worker()
      for (const fromEpoch of [0, 1, 2]) {
        const results = await Promise.all(
          nodes.map(({ node, incarnation }, i) => {
            const request = claimOf(id, fromEpoch, node, incarnation, 'handover')
            return (i % 2 === 0 ? store : other).claim(request)
          }),
        )
        const won = results.flatMap((result, i) => (result.ok ? [i] : []))
        t.equal(won.length, 1, `winners from epoch ${fromEpoch}`)
        const winner = nodes[won[0]!]?.node
        t.match(await store.owner(id), { node: winner, epoch: fromEpoch + 1 })
        for (const result of results) {
          if (!result.ok) t.match(result, { reason: 'conflict', owner: { node: winner } })
        }
      }
    }
  })

  await t.test('many workers claimed at once in opposite orders: each has one owner', async (t) => {
    const [a, b] = [unique('a'), unique('b')]
    await store.register(a, LEASE_MS)
    await store.register(b, LEASE_MS)
    const ids = Array.from({ length: 300 }, () => worker())
    for (const fromEpoch of [0, 1, 2, 3]) {
      const [mine, theirs] = await Promise.all([
        Promise.all(ids.map((id) => store.claim(claimOf(id, fromEpoch, a, 1, 'handover')))),
        Promise.all(
          ids.toReversed().map((id) => other.claim(claimOf(id, fromEpoch, b, 1, 'handover'))),
        ),
      ])
      theirs.reverse()
      const doubled = ids.filter((_, i) => mine[i]?.ok === theirs[i]?.ok)
      t.same(doubled, [], `one of two wins each worker from epoch ${fromEpoch}`)
    }
  })
}
