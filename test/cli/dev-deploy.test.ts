import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { aries } from './aries.ts'
import { DEV_TIMEOUT_MS, devFolder, ROOT, startDev, untilReady } from './dev-process.ts'

const counter = (code: string): string => `import { Worker } from '${ROOT}src/worker/index.ts'
export default class Counter extends Worker {
  fetch() {
    return new Response('${code}')
  }
}
`

t.setTimeout(240_000)

t.test('a changed module is deployed when it is saved', async (t) => {
  const file = join(t.testdirName, 'code/counter.ts')
  const modules = { hello: `${ROOT}workers/hello.ts`, counter: file }
  const code = { 'counter.ts': counter('one') }
  const { config, ports } = await devFolder(t, modules, { code })
  const dev = startDev(t, config)
  await untilReady(dev)
  const answer = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${ports.http}/counter/a`)).text()
  t.equal(await answer(), 'one')

  writeFileSync(file, counter('two'))
  await until('the new code answers', async () => (await answer()) === 'two', DEV_TIMEOUT_MS)
  await until('it is said', () => dev.stderr.includes('deployed on 1 node'), DEV_TIMEOUT_MS)
  t.match(dev.stderr, /counter\.ts changed, deploying/)

  writeFileSync(file, `${counter('three')}let x = ;\n`)
  await until(
    'what is wrong is said',
    () => dev.stderr.includes('stays on the old code'),
    DEV_TIMEOUT_MS,
  )
  t.match(dev.stderr, /n1 stays on the old code.*counter\.ts:7: Expression expected/)
  t.equal(await answer(), 'two')

  const admin = `127.0.0.1:${ports.frontAdmin}`
  const refused = await aries(['restart', 'n1', '--admin', admin])
  t.equal(refused.code, 1, 'the only node cannot be emptied')
  t.match(refused.stdout, /n1 was not restarted: counter\/a stayed: no other node takes it/)
  t.equal(await answer(), 'two', 'it is in use again')
})
