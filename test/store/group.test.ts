import t from 'tap'
import { Group } from '../../src/store/group.ts'

interface Run {
  readonly jobs: readonly number[]
  resolve(results: readonly string[]): void
  reject(error: Error): void
}

/** A group whose runs the test ends itself; a job weighs its own number. */
function manual(weightMax: number): { group: Group<number, string>; runs: Run[] } {
  const runs: Run[] = []
  const run = (jobs: readonly number[]): Promise<readonly string[]> =>
    new Promise((resolve, reject) => runs.push({ jobs, resolve, reject }))
  return { group: new Group({ run, weigh: (job) => job }, { weightMax }), runs }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const done = (run: Run | undefined): void => run?.resolve(run.jobs.map((job) => `did ${job}`))

t.test('one run at a time; what comes meanwhile goes together in the next', async (t) => {
  const { group, runs } = manual(100)
  const first = [group.add(1), group.add(2)]
  await tick()
  const later = [group.add(3), group.add(4), group.add(5)]
  await tick()
  t.same(
    runs.map(({ jobs }) => jobs),
    [[1, 2]],
  )
  done(runs[0])
  t.same(await Promise.all(first), ['did 1', 'did 2'])
  t.same(runs[1]?.jobs, [3, 4, 5])
  done(runs[1])
  t.same(await Promise.all(later), ['did 3', 'did 4', 'did 5'])
})

t.test('a run carries no more than it may weigh, but always one job', async (t) => {
  const { group, runs } = manual(10)
  const results = Promise.all([4, 6, 1, 50, 2].map((job) => group.add(job)))
  for (let i = 0; i < 4; i++) {
    await tick()
    done(runs[i])
  }
  await results
  t.same(
    runs.map(({ jobs }) => jobs),
    [[4, 6], [1], [50], [2]],
  )
})

t.test('a run that fails fails its own jobs only', async (t) => {
  const { group, runs } = manual(100)
  const failing = Promise.allSettled([group.add(1), group.add(2)])
  await tick()
  const next = group.add(3)
  runs[0]?.reject(new Error('disk full'))
  t.match(await failing, [
    { status: 'rejected', reason: { message: 'disk full' } },
    { status: 'rejected', reason: { message: 'disk full' } },
  ])
  done(runs[1])
  t.equal(await next, 'did 3')
})

t.test('a close waits for what was taken and refuses the rest', async (t) => {
  const { group, runs } = manual(100)
  const taken = group.add(1)
  let closed = false
  const closing = group.close().then(() => {
    closed = true
  })
  await t.rejects(group.add(2), { code: 'ARIES_E_STORE' })
  await tick()
  t.notOk(closed)
  done(runs[0])
  await closing
  t.equal(await taken, 'did 1')
  await manual(1).group.close()
})

t.test('a run begins at once for whoever has waited for others itself', async (t) => {
  const { group, runs } = manual(100)
  const together = [group.add(1, true), group.add(2, true)]
  await Promise.resolve()
  t.same(
    runs.map(({ jobs }) => jobs),
    [[1, 2]],
  )
  done(runs[0])
  t.same(await Promise.all(together), ['did 1', 'did 2'])
})
