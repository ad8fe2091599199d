import t from 'tap'
import type { WorkerInfo } from '../src/rpc.ts'
import { COMPARE, firstOf, isAfter } from '../src/worker-order.ts'

t.test('the first of many are those of the whole list in order', async (t) => {
  // A fixed shuffle: 7 and 1,009 have no common divisor.
  const numbers = Array.from({ length: 1_009 }, (_, i) => (i * 7) % 1_009)
  const up = (a: number, b: number): number => a - b
  for (const count of [1, 2, 10, 1_008, 1_009, 5_000]) {
    t.same(firstOf(numbers, count, up), numbers.toSorted(up).slice(0, count))
  }
  t.same(firstOf([], 3, up), [])
})

t.test('by load and by name', async (t) => {
  const worker = (key: string, more: Partial<WorkerInfo> = {}): WorkerInfo => ({
    class: 'counter',
    key,
    node: 'n1',
    epoch: 1,
    seq: 0,
    stateBytes: 0,
    memoryBytes: 0,
    sections: 0,
    requestsPerSecond: 0,
    cpuShare: 0,
    ioBytesPerSecond: 0,
    ageMs: 0,
    sessions: 0,
    queued: 0,
    generation: 1,
    asleep: false,
    ...more,
  })
  const [b, a, busy, room] = [
    worker('b'),
    worker('a'),
    worker('z', { cpuShare: 0.5 }),
    worker('a', { class: 'room', sessions: 3 }),
  ]
  const all = [b, a, busy, room]
  t.same(all.toSorted(COMPARE.load), [busy, room, a, b])
  t.same(all.toSorted(COMPARE.name), [a, b, busy, room])
  t.same(all.toSorted(COMPARE.sessions), [room, a, b, busy])
  const queued = [worker('a'), worker('b', { queued: 2 }), worker('c', { queued: 9 })]
  t.same(queued.toSorted(COMPARE.queue), queued.toReversed())
  t.ok(isAfter(room, busy))
  t.notOk(isAfter(a, a))
})
