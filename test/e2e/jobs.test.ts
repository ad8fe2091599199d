import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { FOLDER, isAlive, JobCluster } from './job-cluster.ts'

t.test('jobs at the command line', { timeout: 180_000 }, async (t) => {
  const c = await JobCluster.start(t, { cpu: 1 })

  await t.test('a job prints to both streams and ends with its code', async (t) => {
    const { code, stdout, stderr } = await c.aries('run', 'echo.ts', '3', 'a b', '--json', 'é')
    t.equal(code, 3)
    t.equal(stdout, '["a b","--json","é"]\n')
    t.match(stderr, /^n[12] \S*ARIES_JOB,ARIES_NODE,\S*PATH/)
    t.notMatch(stderr, /ARIES_CLUSTER_KEY|ARIES_ADMIN/, "nothing of the node's own")
    const file = join(FOLDER, 'echo.ts')
    t.equal((await c.aries('run', file, '0')).code, 0, 'also by its whole path')
    const [last] = await c.jobs()
    t.match(last, { state: 'ended', exitCode: 0, signal: null, runs: 1, module: file })
  })

  await t.test('it gets what is piped to the command', async (t) => {
    const text = `${'ä'.repeat(300_000)}\n`
    const { code, stdout } = await c.start(['run', 'upper.ts'], 'hello\n').ended
    t.equal(code, 0)
    t.equal(stdout, 'HELLO\n')
    const { stderr } = await c.start(['run', 'upper.ts'], text).ended
    t.match(stderr, /bytes are no longer kept|^$/)
    t.equal((await c.aries('run', 'upper.ts')).stdout, '', 'nothing: its input is empty')
    const unread = await c.start(['run', 'echo.ts', '0'], 'x'.repeat(1_000_000)).ended
    t.equal(unread.code, 0, 'a job need not read')
  })

  await t.test('only what lies below the folders is run', async (t) => {
    const link = join(FOLDER, `link-${process.pid}.ts`)
    symlinkSync(join(FOLDER, '../../../workers/legacy.ts'), link)
    t.teardown(() => import('node:fs').then(({ rmSync }) => rmSync(link)))
    for (const module of [
      'none.ts',
      '../../../workers/hello.ts',
      join(FOLDER, '../../../workers/hello.ts'),
      link,
      'fixtures',
      '/etc/passwd',
      '--eval',
    ]) {
      const { status, body } = await c.cluster.post('/api/jobs', { module })
      t.equal(status, 422, module)
      t.match(body, { error: { code: 'ARIES_E_JOB_REFUSED', message: /below|must end with/ } })
    }
    t.equal((await c.cluster.post('/api/jobs', { module: 'echo.ts\0' })).status, 400)
    const large = await c.cluster.post('/api/jobs', { module: 'echo.ts', cpu: 64 })
    t.match(large, { status: 422, body: { error: { message: /a node has 1 cores/ } } })
    const { code, stderr } = await c.aries('run', 'none.ts')
    t.equal(code, 1)
    t.match(stderr, /^aries: there is no module "none\.ts" below \//)
  })

  await t.test('Ctrl-C ends a job with all that it started, deaf or not', async (t) => {
    const command = c.start(['run', 'stay.ts', 'deaf'])
    await until('it runs', () => /pids/.test(command.stdout()))
    const pids = /pids (\d+) (\d+)/.exec(command.stdout())!.slice(1).map(Number)
    command.kill('SIGINT')
    const { code, stdout } = await command.ended
    t.equal(code, 137, 'it did not heed SIGTERM')
    t.match(stdout, /no\n/)
    await until('nobody is left', () => !pids.some(isAlive))
  })

  await t.test('a terminal that goes away, or two Ctrl-C, leave the job', async (t) => {
    const command = c.start(['run', 'stay.ts'])
    await until('it runs', () => /pids/.test(command.stdout()))
    command.kill('SIGHUP')
    const { code, stderr } = await command.ended
    t.equal(code, 129)
    const [, id] = /job (\S+) goes on/.exec(stderr)!
    t.equal((await c.job(id!)).state, 'running')
    const follower = c.start(['logs', id!, '--follow'])
    await until('it is followed', () => /pids/.test(follower.stdout()))
    await c.aries('kill', id!)
    t.equal((await follower.ended).code, 0, 'whoever follows ends with it')
  })

  if (!t.passing()) t.comment(c.cluster.logs(60))
})
