import t from 'tap'
import { ariesHere } from '../cli/aries.ts'
import { until } from '../helpers/until.ts'
import { Deploying, greet, tally } from './deploying.ts'

const KEYS = 12

const START = `start() {
    throw new Error('cannot start')
  }`
const START_THAT_HANGS = `start() {
    return new Promise(() => undefined)
  }`
/** As the one, but for a single worker. */
const START_BUT_ONE = START.replace('throw', "if (this.key === 'k0') throw")

/** Takes every state but the one that a `PUT` made. */
const HALF = `static version = 2
  static migrate(state) {
    if (state.get('value') === 99) throw new Error('not with me')
  }`

t.test('code that is not in order stops the roll-out, the old code stays', async (t) => {
  const deploying = await Deploying.start(t, {
    classes: { tally: { requestTimeoutMs: 3_000 } },
  })
  const { cluster } = deploying
  const ask = async (path: string): Promise<{ code: string; value?: number }> =>
    (await (await fetch(cluster.url + path)).json()) as { code: string; value?: number }
  for (let key = 0; key < KEYS; key++) await ask(`/tally/k${key}`)

  await t.test('a module that does not load: nothing has happened', async (t) => {
    deploying.write('tally.ts', `${tally('broken')}\nlet x = ;\n`)
    const { code, reports } = await deploying.deploy()
    t.equal(code, 1)
    t.equal(reports.length, 1, 'the second node is not tried')
    t.match(reports, [{ node: 'n1', moved: 0, failure: /class tally .*tally\.ts:10: / }])
    deploying.write('tally.ts', tally('new'))
    deploying.write('greet.ts', 'export default 1\n')
    t.match((await deploying.deploy()).reports, [{ failure: /greet\.ts: .*no function/ }])
    t.match(await ask('/tally/k0'), { code: 'old', value: 2 })
    deploying.write('greet.ts', greet('new'))
  })

  await t.test('a class that will not take a state: what has not moved stays', async (t) => {
    const refuses = `static version = 2
  static migrate(state) {
    if (state.has('value')) throw new Error('not with me')
  }`
    deploying.write(
      'tally.ts',
      tally('failing').replace('extends Worker {', `extends Worker {\n${refuses}`),
    )
    const { code, reports } = await deploying.deploy()
    t.equal(code, 1)
    t.match(reports, [{ failure: /tally\/k\d+ did not move: .*not with me/ }])
    t.ok(reports[0]!.left > 0)
    for (let key = 0; key < KEYS; key++) t.match(await ask(`/tally/k${key}`), { code: 'old' })
    t.match(await ask('/tally/another'), { code: 'old' }, 'new workers open with the old code')
  })

  await t.test('a later one brings all of it into force', async (t) => {
    deploying.write('tally.ts', tally('newest'))
    const { code, reports } = await deploying.deploy()
    t.equal(code, 0)
    t.match(reports, [{ failure: null }, { failure: null }])
    for (let key = 0; key < KEYS; key++) t.match(await ask(`/tally/k${key}`), { code: 'newest' })
    await until('the task is new', async () => (await ask('/greet')).code === 'new')
  })

  await t.test('a class of which no worker starts: it stops at the first node', async (t) => {
    const write = (start: string): void =>
      deploying.write(
        'tally.ts',
        tally('new').replace('extends Worker {', `extends Worker {\n  ${start}`),
      )

    write(START)
    const { code, reports } = await deploying.deploy()
    t.equal(code, 1)
    t.equal(reports.length, 1, 'the second node is not tried')
    t.match(reports, [{ failure: /^no worker of class tally starts: tally\/\w+: cannot start$/ }])

    write(START_THAT_HANGS)
    t.match((await deploying.deploy()).reports, [{ failure: /^no worker of class tally starts: / }])

    write(START_BUT_ONE)
    t.match(await deploying.deploy(), { code: 0 }, 'one worker alone is no reason')
  })

  await t.test('a process that failed deploys have left is ended when it is empty', async (t) => {
    for (let key = 1; key < 8; key++) await fetch(`${cluster.url}/tally/left${key}`)
    await fetch(`${cluster.url}/tally/left0`, { method: 'PUT' })
    for (const code of ['half', 'second half']) {
      const text = tally(code).replace('extends Worker {', `extends Worker {\n  ${HALF}`)
      deploying.write('tally.ts', text)
      const { reports } = await deploying.deploy()
      t.match(reports.at(-1), { failure: /tally\/left0 did not move/ })
      t.ok(reports.at(-1)!.moved > 0, 'others of the same node have moved')
    }
    await until('two processes at most hold workers', async () => {
      const statuses = await cluster.get('/api/status')
      const hosts = statuses.map((each) => each.processes.filter(({ role }) => role === 'host'))
      return hosts.every((each) => each.length <= 2)
    })
  })

  await t.test('a node that does not exist is named', async (t) => {
    const args = ['deploy', '--node', 'n9', '--admin', cluster.adminAddress]
    const { code, stderr } = await ariesHere(args)
    t.equal(code, 1)
    t.match(stderr, /no node "n9"; there are n1, n2/)
  })
  if (!t.passing()) t.comment(cluster.logs())
})
