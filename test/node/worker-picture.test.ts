import t from 'tap'
import type { WorkerFigures } from '../../src/host/ipc.ts'
import { type ProcessMemory, WorkerPicture } from '../../src/node/worker-picture.ts'

function figures(key: string, more: Partial<WorkerFigures> = {}): WorkerFigures {
  return {
    class: 'counter',
    key,
    epoch: 1,
    seq: 1,
    stateBytes: 8,
    sections: 1,
    requestsPerSecond: 0,
    cpuShare: 0,
    ioBytesPerSecond: 0,
    allocatedBytes: 0,
    ageMs: 100,
    sessions: 0,
    queued: 0,
    asleep: false,
    ...more,
  }
}

const NONE = (): ProcessMemory => ({ heapBytes: 0 })

t.test('keeps what was told, and lets it age', async (t) => {
  let nowMs = 1_000
  const picture = new WorkerPicture(() => nowMs, NONE)
  picture.hear([figures('a'), figures('b')])
  nowMs += 500
  picture.hear([figures('b', { seq: 2, ageMs: 600 })])
  t.match(picture.get('counter/a'), { seq: 1, ageMs: 600 })
  t.match(picture.get('counter/b'), { seq: 2, ageMs: 600 })
  picture.gone({ class: 'counter', key: 'a' })
  t.equal(picture.get('counter/a'), undefined)
  t.same(
    [...picture.all()].map(({ key }) => key),
    ['b'],
  )
})

t.test('a sample has all that are busy, and in time each of the others', async (t) => {
  const picture = new WorkerPicture(() => 0, NONE)
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
  picture.hear(keys.map((key) => figures(key)))
  picture.hear([figures('k7', { cpuShare: 0.1 }), figures('k8', { sessions: 1 })])
  const seen = new Set<string>()
  for (let round = 0; round < 12; round++) {
    const sample = picture.sample(10).map(({ key }) => key)
    t.equal(new Set(sample).size, 12)
    t.same(sample.slice(0, 2), ['k7', 'k8'])
    for (const key of sample) seen.add(key)
  }
  t.equal(seen.size, 100)
  picture.hear([figures('k7'), figures('k8')])
  t.equal(picture.sample(10).length, 10)
  t.equal(picture.sample(1_000).length, 100, 'none twice')
  picture.clear()
  t.same(picture.sample(10), [])
})

t.test('what is on the heap besides states is theirs who allocate', async (t) => {
  let memory: ProcessMemory = { heapBytes: 1_000_100 }
  const picture = new WorkerPicture(
    () => 0,
    () => memory,
  )
  const bytes = () => [...picture.all()].map(({ memoryBytes }) => memoryBytes)
  picture.hear([figures('a', { stateBytes: 60 }), figures('b', { stateBytes: 40 })])
  t.same(bytes(), [500_060, 500_040], 'in equal parts while nothing is known')
  picture.hear([figures('a', { stateBytes: 60, allocatedBytes: 3_000 })])
  picture.hear([figures('b', { stateBytes: 40, allocatedBytes: 1_000 })])
  t.same(bytes(), [750_060, 250_040])
  picture.gone({ class: 'counter', key: 'a' })
  t.same(bytes(), [1_000_100], 'the sum is always what there is')
  memory = { heapBytes: 10 }
  t.same(bytes(), [40], 'never less than the state')
  memory = { heapBytes: 10, ownBytes: 70_000_000 }
  t.same(bytes(), [70_000_000], 'a process to itself')
})
