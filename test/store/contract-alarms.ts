import type { Test } from 'tap'
import { ALARM_SECTION, decodeAlarm, encodeAlarm } from '../../src/store/alarm.ts'
import type { Store } from '../../src/store/store.ts'
import { claimOf, ownedWorker, turn } from './helpers.ts'

/** No other test of the run sets alarms in this time. */
const THEN = 4_000_000_000_000

const alarm = (dueMs: number): Record<string, Uint8Array> => ({
  [ALARM_SECTION]: encodeAlarm({ dueMs, atMs: 1, attempts: 2 }),
})

export async function alarmRules(t: Test, store: Store, other: Store): Promise<void> {
  await t.test('due alarms are found by time, whoever owns the worker', async (t) => {
    const workers = await Promise.all(Array.from({ length: 4 }, () => ownedWorker(store)))
    const [a, b, c, d] = workers.map(({ id }) => id)
    const times = [THEN + 300, THEN + 5, THEN + 70_000, THEN + 256]
    await Promise.all(
      workers.map(({ node, id }, i) => store.commit(node, 1, [turn(id, 1, 1, alarm(times[i]!))])),
    )
    const due = async (after: number, before: number, limit = 9): Promise<unknown> =>
      (await other.dueAlarms(after, before, limit)).map(({ id }) => id)
    t.same(await due(THEN, THEN + 300), [b, d, a])
    t.same(await due(THEN, THEN + 299), [b, d])
    t.same(await due(THEN, THEN + 4), [])
    t.same(await due(THEN + 5, THEN + 70_000), [d, a, c], 'after, and not at')
    t.same(await due(THEN, THEN + 70_000, 2), [b, d])
    t.match(await other.dueAlarms(THEN, THEN + 10, 1), [{ id: b, dueMs: THEN + 5 }])

    const { node } = workers[1]!
    await store.commit(node, 1, [turn(b!, 1, 2, {}, [ALARM_SECTION])])
    await store.commit(workers[3]!.node, 1, [turn(d!, 1, 2, alarm(THEN + 400))])
    await store.evict(workers[0]!.node, 1)
    t.same(await due(THEN, THEN + 300), [a], 'removed, put off; a dead owner changes nothing')
    await store.claim(claimOf(a!, 1, node, 1))
    await store.commit(node, 1, [turn(a!, 2, 2, {}, [ALARM_SECTION])])
    t.same(await due(THEN, THEN + 500), [d])
    await t.rejects(store.dueAlarms(-1, 5, 1), { code: 'ARIES_E_STORE' })
  })

  await t.test('an alarm is read as it was written', async (t) => {
    for (const dueMs of [0, 1, Date.now(), 8.64e15]) {
      const written = { dueMs, atMs: dueMs, attempts: 10 }
      t.same(decodeAlarm(encodeAlarm(written)), written)
    }
  })
}
