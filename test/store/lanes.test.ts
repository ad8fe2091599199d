import t from 'tap'
import { Lanes } from '../../src/store/postgres/lanes.ts'

t.test('so many at a time, the others in order, failures free their lane', async (t) => {
  const lanes = new Lanes(2)
  const begun: number[] = []
  const ends: PromiseWithResolvers<number>[] = []
  const work = Array.from({ length: 5 }, (_, i) => {
    const end = Promise.withResolvers<number>()
    ends.push(end)
    return lanes.run(() => {
      begun.push(i)
      return end.promise
    })
  })
  t.same(begun, [0, 1])
  ends[1]!.reject(new Error('as asked'))
  await t.rejects(work[1]!, /as asked/)
  t.same(begun, [0, 1, 2])
  for (const [i, end] of ends.entries()) end.resolve(i)
  t.same(await Promise.all(work.filter((_, i) => i !== 1)), [0, 2, 3, 4])
  t.same(begun, [0, 1, 2, 3, 4])
  t.equal(await lanes.run(async () => 7), 7)
})
