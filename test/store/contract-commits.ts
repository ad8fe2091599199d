import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { claimOf, LEASE_MS, ownedWorker, stateOf, turn, unique, worker } from './helpers.ts'

export async function commitRules(t: Test, store: Store, other: Store): Promise<void> {
  await t.test('a turn sets and removes sections and is durable for every reader', async (t) => {
    const { node, id } = await ownedWorker(store)
    t.same(await store.commit(node, 1, [turn(id, 1, 1, { a: '1', b: '2', c: '3' })]), ['ok'])
    t.same(await store.commit(node, 1, [turn(id, 1, 2, { b: '20', d: '4' }, ['a', 'never'])]), [
      'ok',
    ])
    t.same(await stateOf(other, id), { b: '20', c: '3', d: '4' })
    t.match(await other.load(id), { epoch: 1, seq: 2 })
    t.equal((await other.owner(id))?.seq, 2)
  })

  await t.test('a name that a turn both removes and sets is set', async (t) => {
    const { node, id } = await ownedWorker(store)
    await store.commit(node, 1, [turn(id, 1, 1, { a: 'new' }, ['a'])])
    t.same(await stateOf(store, id), { a: 'new' })
  })

  await t.test('results come in the order of the records, and each stands alone', async (t) => {
    const { node, id: good } = await ownedWorker(store)
    const { id: foreign } = await ownedWorker(store)
    const second = worker()
    await store.claim(claimOf(second, 0, node, 1))
    const results = await store.commit(node, 1, [
      turn(foreign, 1, 1, { stolen: 'yes' }),
      turn(good, 1, 1, { v: '1' }),
      turn(worker(), 1, 1, { v: '1' }),
      turn(second, 9, 1, { v: '1' }),
      turn(good, 1, 2, { v: '2' }),
      turn(second, 1, 1, { v: '1' }),
    ])
    t.same(results, ['fenced', 'ok', 'fenced', 'fenced', 'ok', 'fenced'])
    t.same(await stateOf(store, foreign), {})
    t.same(await stateOf(store, second), {}, 'a turn after a refused one of its worker is refused')
    t.same(await stateOf(store, good), { v: '2' })
    t.same(await store.commit(node, 1, []), [])
  })

  await t.test('only the turn after the last is taken', async (t) => {
    const { node, id } = await ownedWorker(store)
    await store.commit(node, 1, [turn(id, 1, 1, { v: '1' })])
    t.same(await store.commit(node, 1, [turn(id, 1, 1, { v: 'again' })]), ['fenced'])
    t.same(await store.commit(node, 1, [turn(id, 1, 3, { v: 'gap' })]), ['fenced'])
    t.same(await store.commit(node, 1, [turn(id, 1, 1), turn(id, 1, 2)]), ['fenced', 'fenced'])
    t.same(await stateOf(store, id), { v: '1' })
    t.match(await store.load(id), { seq: 1 })
  })

  await t.test('turns of one worker may be handed in without waiting', async (t) => {
    const { node, id } = await ownedWorker(store)
    const calls = Array.from({ length: 50 }, (_, i) => {
      const set = i % 5 === 4 ? {} : { last: String(i + 1), [`n${i % 7}`]: String(i) }
      return store.commit(node, 1, [turn(id, 1, i + 1, set, i % 5 === 4 ? ['last'] : [])])
    })
    const expected: Record<string, string> = {}
    for (let i = 0; i < 49; i++) if (i % 5 !== 4) expected[`n${i % 7}`] = String(i)
    t.same(new Set((await Promise.all(calls)).flat()), new Set(['ok']))
    t.same(await stateOf(store, id), expected)
    t.match(await store.load(id), { seq: 50 })
  })

  await t.test('hundreds of workers commit at once and none is mixed up', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    const ids = Array.from({ length: 400 }, () => worker())
    await Promise.all(ids.map((id) => store.claim(claimOf(id, 0, node, 1))))
    for (const seq of [1, 2, 3]) {
      const results = await Promise.all(
        ids.map((id) => store.commit(node, 1, [turn(id, 1, seq, { key: `${id.key}/${seq}` })])),
      )
      t.same(new Set(results.flat()), new Set(['ok']))
    }
    const states = await Promise.all(ids.map((id) => stateOf(store, id)))
    t.same(
      states.map(({ key }) => key),
      ids.map(({ key }) => `${key}/3`),
    )
  })

  await t.test('any bytes and any names come back as they were', async (t) => {
    const { node, id } = await ownedWorker(store)
    const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)
    const pooled = new Uint8Array(1_000).fill(7)
    pooled.set([1, 2, 3], 500)
    const sections = {
      '': 'the empty name',
      empty: new Uint8Array(0),
      bytes: everyByte,
      view: pooled.subarray(500, 503),
      [`"quotes' {braces,} \\back\nline NULL`]: 'x',
      '鍵🔑': 'é',
      [`${'n'.repeat(510)}é`]: 'longest',
    }
    t.same(await store.commit(node, 1, [turn(id, 1, 1, sections)]), ['ok'])
    const loaded = await store.load(id)
    const expected = Object.entries(sections)
      .map(([name, value]) => ({ name, value: Buffer.from(value) }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    t.same(
      loaded?.sections.map(({ name, value }) => ({ name, value: Buffer.from(value) })),
      expected,
    )
  })

  await t.test('what no store can keep is refused before it can harm others', async (t) => {
    const { node, id } = await ownedWorker(store)
    const good = store.commit(node, 1, [turn(id, 1, 1, { v: '1' })])
    for (const name of ['nul\0', 'lone\ud800', 'n'.repeat(513)]) {
      const bad = store.commit(node, 1, [turn(worker(), 1, 1, { [name]: '' })])
      await t.rejects(bad, { code: 'ARIES_E_STORE' }, JSON.stringify(name.slice(0, 10)))
    }
    for (const key of ['', 'nul\0', '\udc00', 'é'.repeat(257)]) {
      await t.rejects(store.owner(worker(key)), { code: 'ARIES_E_BAD_REQUEST' })
      await t.rejects(store.claim(claimOf(worker(key), 0, node, 1)), {
        code: 'ARIES_E_BAD_REQUEST',
      })
    }
    for (const seq of [Number.NaN, 1.5, -1, 2 ** 60]) {
      await t.rejects(store.commit(node, 1, [turn(id, 1, seq)]), { code: 'ARIES_E_STORE' })
    }
    t.same(await good, ['ok'])
  })
}
