import t from 'tap'
import { until } from '../helpers/until.ts'
import { Deploying, tally } from './deploying.ts'

/** Takes every state but the one that a `PUT` made. */
const HALF = `static version = 2
  static migrate(state) {
    if (state.get('value') === 99) throw new Error('not with me')
  }`

t.test('a process that failed deploys have left is ended when it is empty', async (t) => {
  const deploying = await Deploying.start(t)
  const { cluster } = deploying
  for (let key = 1; key < 8; key++) await fetch(`${cluster.url}/tally/k${key}`)
  await fetch(`${cluster.url}/tally/k0`, { method: 'PUT' })
  for (const code of ['half', 'second half']) {
    const text = tally(code).replace('extends Worker {', `extends Worker {\n  ${HALF}`)
    deploying.write('tally.ts', text)
    const { reports } = await deploying.deploy()
    t.match(reports.at(-1), { failure: /tally\/k0 did not move/ })
    t.ok(reports.at(-1)!.moved > 0, 'others of the same node have moved')
  }
  await until('two processes at most hold workers', async () => {
    const statuses = await cluster.get('/api/status')
    const hosts = statuses.map((each) => each.processes.filter(({ role }) => role === 'host'))
    return hosts.every((each) => each.length <= 2)
  })
})
