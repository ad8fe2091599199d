import t from 'tap'
import { PoolProcess } from './pool-process.ts'

t.test('all threads taken by endless tasks: the others wait and are served', async (t) => {
  const pool = await new PoolProcess({ limits: { taskTimeoutMs: 1_500 } }).ready()
  t.teardown(() => pool.end())
  const loops = Array.from({ length: 4 }, () => pool.deed('loop'))
  const good = Array.from({ length: 50 }, () => pool.deed('thread'))
  for (const answer of await Promise.all(good)) t.equal(answer.status, 200)
  for (const answer of await Promise.all(loops)) t.equal(answer.status, 504)
})

t.test('what fails after its answer does not hurt the next in the thread', async (t) => {
  const pool = await new PoolProcess({ limits: { threads: 1 } }).ready()
  t.teardown(() => pool.end())
  for (let i = 0; i < 5; i++) {
    t.equal((await pool.deed('stray')).body, 'answered')
    t.equal((await pool.deed('sleep', '&ms=60')).status, 200)
  }
})

t.test('a thread that its tasks have filled is replaced between two of them', async (t) => {
  const pool = await new PoolProcess({ limits: { threads: 1, taskMemoryMb: 64 } }).ready()
  t.teardown(() => pool.end())
  const threads = new Set<number>()
  const deadline = Date.now() + 12_000
  while (threads.size < 2 && Date.now() < deadline) {
    const answer = await pool.deed('leak')
    t.equal(answer.status, 200)
    threads.add((answer.json() as { threadId: number }).threadId)
    await pool.statsWhere(() => true)
    await pool.statsWhere(() => true)
  }
  t.ok(threads.size >= 2)
  t.equal(pool.stats?.failed, 0)
})
