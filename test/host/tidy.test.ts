import t from 'tap'
import { Tidy } from '../../src/host/tidy.ts'

t.test('collects once, when many have fallen asleep and nothing happens any more', async (t) => {
  let collected = 0
  let heapBytes = 1
  const tidy = new Tidy({ collect: () => collected++, heapBytes: () => heapBytes })
  const look = (asleep: number, more: { requests?: number; cpu?: number } = {}, times = 1) => {
    for (let i = 0; i < times; i++) tidy.look({ asleep, requests: 0, cpu: 0, ...more })
  }
  look(900, {}, 20)
  t.equal(collected, 0, 'not for a few')
  look(1_000, { cpu: 0.5 }, 20)
  look(1_000, { requests: 1 }, 20)
  t.equal(collected, 0, 'not while it works')
  look(1_000, {}, 3)
  look(999)
  look(999, {}, 3)
  t.equal(collected, 0, 'not before it has been at rest for a while')
  look(999)
  t.equal(collected, 1)
  look(999, {}, 20)
  t.equal(collected, 1, 'once')
  look(0)
  look(2_000)
  heapBytes = 1e9
  look(2_000, {}, 20)
  t.equal(collected, 1, 'a large heap is left alone')
})
