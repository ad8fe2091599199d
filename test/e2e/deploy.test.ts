import t from 'tap'
import { until } from '../helpers/until.ts'
import { Deploying, greet, tally } from './deploying.ts'
import { Traffic } from './traffic.ts'

const KEYS = 40

t.test('new code under load: no request fails, no socket closes', async (t) => {
  const deploying = await Deploying.start(t)
  const { cluster } = deploying
  const codes = { tally: '', greet: '' }
  const traffic = await Traffic.start(t, cluster, {
    perSecond: 100,
    counter: '/tally',
    keys: KEYS,
    task: '/greet',
    taskEvery: 5,
    room: '/lobby',
    chatters: 20,
    onAnswer: (path, body) => {
      const { code } = JSON.parse(body) as { code: string }
      codes[path === '/greet' ? 'greet' : 'tally'] = code
    },
  })
  await until('every counter has counted', () => traffic.counting >= KEYS - KEYS / 5)
  await until('the task has answered', () => codes.greet !== '')
  t.match(codes, { tally: 'old', greet: 'old' })

  deploying.write('tally.ts', tally('new'))
  deploying.write('greet.ts', greet('new'))
  const done = await deploying.deploy()
  t.equal(done.code, 0)
  t.match(done.reports, [
    { node: 'n1', generation: 2, left: 0, failure: null },
    { node: 'n2', generation: 2, left: 0, failure: null },
  ])
  t.ok(
    done.reports.reduce((sum, { moved }) => sum + moved, 0) >= 4,
    `moved in ${done.reports.map(({ moved, ms }) => `${ms} ms: ${moved}`).join(', ')}`,
  )
  await until('the new code answers', () => codes.tally === 'new' && codes.greet === 'new')
  const workers = await cluster.get('/api/workers')
  t.same([...new Set(workers.map(({ generation }) => generation))], [2])
  await until('the old processes have ended', async () => {
    const statuses = await cluster.get('/api/status')
    return statuses.every((each) => each.processes.every(({ generation }) => generation === 2))
  })

  await traffic.end(t)
  if (!t.passing()) t.comment(cluster.logs())
})
