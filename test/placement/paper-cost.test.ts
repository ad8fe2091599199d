import t, { type Test } from 'tap'
import {
  paperCost,
  paperGivenUp,
  paperMarginal,
  paperScale,
} from '../../src/placement/paper-cost.ts'

const near = (t: Test, found: number, wanted: number): boolean =>
  t.ok(Math.abs(found - wanted) < 1e-9, `${found} is ${wanted}`)

t.test('the cost is n^memory + n^jobs, in parts of what there is', async (t) => {
  near(t, paperCost({ memoryMb: 64, usedMb: 0, jobs: 0 }, 6, 4), 2)
  near(t, paperCost({ memoryMb: 64, usedMb: 64, jobs: 4 }, 6, 4), 12)
  near(t, paperCost({ memoryMb: 32, usedMb: 16, jobs: 2 }, 9, 4), 6)
})

t.test('what a job adds is what it gives up when it goes', async (t) => {
  const machine = { memoryMb: 64, usedMb: 20, jobs: 1 }
  const added = paperMarginal(machine, 12, 6, 4)
  near(t, added, 6 ** 0.5 - 6 ** (20 / 64) + 6 ** 0.5 - 6 ** 0.25)
  near(t, paperGivenUp({ memoryMb: 64, usedMb: 32, jobs: 2 }, 12, 6, 4), added)
})

t.test('L is the smallest power of two that is not below the most jobs', async (t) => {
  t.strictSame([0, 1, 2, 3, 4, 5, 17].map(paperScale), [1, 1, 2, 4, 4, 8, 32])
})

t.test('a job of many times the memory has a finite price', async (t) => {
  const machine = { memoryMb: 24, usedMb: 0, jobs: 0 }
  t.ok(Number.isFinite(paperMarginal(machine, 1e9, 1_000_000, 1)))
})
