import t from 'tap'
import { Deploying, tally } from './deploying.ts'

const START = `start() {
    throw new Error('cannot start')
  }`
const START_THAT_HANGS = `start() {
    return new Promise(() => undefined)
  }`
/** As the one, but for a single worker. */
const START_BUT_ONE = START.replace('throw', "if (this.key === 'k0') throw")

t.test('code in which no worker starts stops the roll-out at the first node', async (t) => {
  const deploying = await Deploying.start(t, {
    classes: { tally: { requestTimeoutMs: 3_000 } },
  })
  const { url } = deploying.cluster
  for (let key = 0; key < 12; key++) await fetch(`${url}/tally/k${key}`)
  const write = (start: string): void =>
    deploying.write(
      'tally.ts',
      tally('new').replace('extends Worker {', `extends Worker {\n  ${start}`),
    )

  write(START)
  const { code, reports } = await deploying.deploy()
  t.equal(code, 1)
  t.equal(reports.length, 1, 'the second node is not tried')
  t.match(reports, [{ failure: /^no worker of class tally starts: tally\/k\d+: cannot start$/ }])

  write(START_THAT_HANGS)
  t.match((await deploying.deploy()).reports, [{ failure: /^no worker of class tally starts: / }])

  write(START_BUT_ONE)
  t.match(await deploying.deploy(), { code: 0 }, 'one worker alone is no reason')
})
