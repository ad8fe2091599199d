import t from 'tap'
import { type Answer, codeOf, PoolProcess } from './pool-process.ts'

/** Sends a bad one among 50 good ones and shows that the good ones do not notice. */
async function among(pool: PoolProcess, bad: Promise<Answer>): Promise<Answer> {
  const pid = pool.child.pid
  const good = Array.from({ length: 50 }, (_, i) => pool.deed('sleep', `&ms=${i % 20}`))
  for (const answer of await Promise.all(good)) t.equal(answer.status, 200)
  const answer = await bad
  t.equal((await pool.deed('thread')).status, 200, 'goes on')
  t.equal(pool.child.pid, pid)
  t.equal(pool.child.exitCode, null)
  return answer
}

t.test('a task that fails costs its request alone', async (t) => {
  const pool = await new PoolProcess({ limits: { taskTimeoutMs: 1_500, taskMemoryMb: 64 } }).ready()
  t.teardown(() => pool.end())

  const failures: [deed: string, message: RegExp][] = [
    ['throw', /^task deeds: thrown on purpose$/],
    ['throwString', /"only a string"/],
    ['nothing', /undefined instead of a Response/],
    ['reject', /rejected and not handled/],
    ['exit', /exit code 7/],
  ]
  for (const [deed, message] of failures) {
    t.test(deed, async (t) => {
      const answer = await among(pool, pool.deed(deed))
      t.equal(answer.status, 500)
      t.match(answer.json(), { error: { code: 'ARIES_E_TASK_FAILED', message } })
      t.notMatch(answer.body, /deeds\.ts/, 'no stack for the client')
    })
  }

  t.test('modules that are none', async (t) => {
    for (const task of ['no-function', 'broken', 'missing']) {
      const answer = await among(pool, pool.call(task, '/'))
      t.equal(answer.status, 500, task)
      t.equal(codeOf(answer), 'ARIES_E_TASK_FAILED')
    }
  })

  t.test('runs for ever: 504', async (t) => {
    const answer = await among(pool, pool.deed('loop'))
    t.equal(answer.status, 504)
    t.match(answer.json(), { error: { code: 'ARIES_E_TASK_TIMEOUT', message: /1500 ms/ } })
    const silent = await among(pool, pool.deed('sleep', '&ms=60000'))
    t.equal(silent.status, 504)
  })

  for (const deed of ['heap', 'map', 'buffers']) {
    t.test(`eats all memory by ${deed}: 503`, async (t) => {
      const answer = await among(pool, pool.deed(deed))
      t.equal(answer.status, 503)
      t.equal(codeOf(answer), 'ARIES_E_TASK_MEMORY')
      t.match(answer.json(), { error: { message: /64 MB \(pool\.taskMemoryMb\)/ } })
    })
  }

  t.test('memory that an ended task used is given back', async (t) => {
    const stats = await pool.statsWhere((stats) => stats.memoryBytes < 400_000_000)
    t.ok(stats.failed >= 12)
  })
})
