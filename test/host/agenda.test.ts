import t from 'tap'
import { Agenda } from '../../src/host/agenda.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'

const LATER_MS = 40 * 86_400_000

function agenda() {
  const clock = new VirtualClock()
  const fired: [item: number, atMs: number][] = []
  const one = new Agenda<number>(
    { clock },
    { nowMs: () => clock.nowMs(), due: (item) => fired.push([item, clock.nowMs()]) },
  )
  return { clock, fired, agenda: one }
}

t.test('each item is due at its time, in order, however they were added', async (t) => {
  const { clock, fired, agenda: one } = agenda()
  const times = Array.from({ length: 500 }, (_, i) => ((i * 137) % 500) * 3)
  for (const dueMs of times) one.add(dueMs, dueMs)
  clock.runUntil(LATER_MS)
  t.same(
    fired.map(([item]) => item),
    times.toSorted((a, b) => a - b),
  )
  t.ok(fired.every(([item, atMs]) => atMs >= item && atMs <= item + 1))
  t.equal(one.size, 0)
})

t.test('what is far ahead is not forgotten, what comes sooner is not late', async (t) => {
  const { clock, fired, agenda: one } = agenda()
  one.add(LATER_MS, 1)
  clock.runUntil(1_000)
  one.add(2_000, 2)
  clock.runUntil(LATER_MS + 1)
  t.same(fired, [
    [2, 2_000],
    [1, LATER_MS],
  ])
})

t.test('what is pruned or cleared is not due any more', async (t) => {
  const { clock, fired, agenda: one } = agenda()
  for (let i = 0; i < 100; i++) one.add(100 + i, i)
  one.prune((item) => item % 10 === 0)
  t.equal(one.size, 10)
  clock.runUntil(150)
  t.same(
    fired.map(([item]) => item),
    [0, 10, 20, 30, 40, 50],
  )
  one.clear()
  one.add(300, 7)
  clock.runUntil(1_000)
  t.same(fired.at(-1), [7, 300])
  t.equal(fired.length, 7)
})
