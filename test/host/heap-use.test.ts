import t from 'tap'
import { HeapUse, heapBytes } from '../../src/host/heap-use.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'

t.test('the least lately, without what an empty process has', async (t) => {
  const clock = new VirtualClock()
  let bytes = 10_000_000
  const use = new HeapUse({ clock, heapBytes: () => bytes })
  t.equal(use.sample(), 0)
  const at = (ms: number, used: number): number => {
    clock.runUntil(ms)
    bytes = used
    return use.sample()
  }
  at(20_000, 90_000_000)
  t.equal(at(40_000, 90_000_000), 80_000_000, 'what is never less is in use')
  t.equal(at(45_000, 30_000_000), 20_000_000, 'after a collection')
  t.equal(at(50_000, 80_000_000), 20_000_000, 'the rest is garbage')
  t.equal(at(60_000, 80_000_000), 20_000_000)
  t.equal(at(81_000, 85_000_000), 70_000_000, 'unless it stays')
})

t.test('of this process', async (t) => {
  const before = heapBytes()
  const kept = Array.from({ length: 500_000 }, (_, i) => ({ i }))
  t.ok(heapBytes() - before > 4_000_000, `${kept.length} objects`)
  const outside = heapBytes()
  const buffer = Buffer.alloc(20_000_000)
  t.ok(heapBytes() - outside > 15_000_000, `${buffer.length} bytes outside the heap`)
})
