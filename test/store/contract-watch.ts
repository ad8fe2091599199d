import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { until } from '../helpers/until.ts'
import { LEASE_MS, unique } from './helpers.ts'

export async function watchRules(t: Test, store: Store, other: Store): Promise<void> {
  await t.test('who watches a node hears of its eviction, and of no other', async (t) => {
    const [node, neighbour] = [unique('node'), unique('node')]
    for (const id of [node, neighbour]) await store.register(id, LEASE_MS)
    const heard: string[] = []
    const stop = store.watch(node, () => heard.push(node))
    const stopOther = store.watch(neighbour, () => heard.push(neighbour))
    await store.renew(node, 1, LEASE_MS)
    await other.evict(node, 1)
    await until('the eviction is heard of', () => heard.includes(node))
    t.notOk(heard.includes(neighbour))

    stop()
    const before = heard.length
    await store.register(node, LEASE_MS)
    await other.evict(node, 2)
    await other.evict(neighbour, 1)
    await until('the later eviction is heard of', () => heard.includes(neighbour))
    t.equal(heard.slice(before).filter((id) => id === node).length, 0, 'not after it was stopped')
    stopOther()
  })

  await t.test('an eviction just before the watch began is heard of', async (t) => {
    const node = unique('node')
    await store.register(node, LEASE_MS)
    await other.evict(node, 1)
    const heard = new Promise<void>((resolve) => {
      const stop = store.watch(node, resolve)
      t.teardown(stop)
    })
    await t.resolves(heard)
  })
}
