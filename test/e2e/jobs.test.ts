import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { WorkerInfo } from '../../src/rpc.ts'
import { until } from '../helpers/until.ts'
import { FOLDER, isAlive, JobCluster } from './job-cluster.ts'

t.test('jobs', async (t) => {
  const c = await JobCluster.start(t, { cpu: 1, queueMax: 3 })

  await t.test('jobs wait for room, the largest priority first, and not too many', async (t) => {
    const blockers = [await c.detach('stay.ts'), await c.detach('stay.ts')]
    const nodes = await Promise.all(blockers.map(async (id) => (await c.job(id)).node))
    t.same(new Set(nodes), new Set(['n1', 'n2']), 'one on each node')
    const low = await c.detach('echo.ts', ['0'], { priority: -1 })
    const waiting = c.start(['run', 'echo.ts', '7'])
    await until('it says that it waits', () => /is queued/.test(waiting.stderr()))
    const high = await c.detach('echo.ts', ['0'], { priority: 5 })
    const full = await c.aries('run', '--detach', 'echo.ts', '0')
    t.equal(full.code, 1)
    t.match(full.stderr, /the queue of jobs is full: 3 wait \(jobs\.queueMax\)/)
    await until('what those use that run is told, of both nodes', async () => {
      return (await c.jobs()).filter(({ usage }) => (usage?.memoryBytes ?? 0) > 0).length === 2
    })
    const { stdout } = await c.aries('jobs')
    t.match(stdout, /^JOB +STATE +NODE +PRIORITY +SINCE +CPU +MEMORY +EXIT +MODULE/)
    t.equal(stdout.match(/ running .* \d+ MB /g)?.length, 2)
    t.equal(stdout.match(/ queued /g)?.length, 3)
    t.match((await c.aries('kill', blockers[0]!)).stdout, /is sent SIGTERM/)
    t.equal((await waiting.ended).code, 7)
    await c.untilState(low, 'ended')
    const starts = await Promise.all([high, low].map(async (id) => (await c.job(id)).startedMs!))
    const [, middle] = (await c.jobs()).filter(({ priority }) => priority === 0)
    t.ok(starts[0]! <= starts[1]!, 'in the order of their priorities')
    t.ok(middle)
    await c.aries('kill', blockers[1]!)
    const killed = await c.untilState(blockers[1]!, 'ended')
    t.match(killed, { exitCode: null, signal: 'SIGTERM' })
  })

  await t.test('a queued job is killed before it begins', async (t) => {
    const blockers = [await c.detach('stay.ts'), await c.detach('stay.ts')]
    const id = await c.detach('echo.ts', ['0'])
    t.match((await c.aries('kill', id)).stdout, /will not begin/)
    t.match(await c.job(id), { state: 'ended', signal: 'SIGTERM', startedMs: null })
    t.match((await c.aries('logs', id)).stderr, /is queued|has no output/)
    for (const blocker of blockers) {
      await c.cluster.post(`/api/jobs/${blocker}/kill`, { signal: 'KILL' })
    }
    for (const blocker of blockers) {
      t.match(await c.untilState(blocker, 'ended'), { signal: 'SIGKILL' })
    }
    t.match((await c.aries('kill', blockers[0]!)).stdout, /had ended/)
    t.equal((await c.cluster.post('/api/jobs/nosuchjob/kill')).status, 404)
    t.equal((await c.cluster.post('/api/jobs/A../kill')).status, 400)
    t.equal((await c.cluster.post(`/api/jobs/${id}/kill`, { signal: 'NONE' })).status, 400)
  })

  await t.test('aries top sees the same cluster', async (t) => {
    const { cluster } = c
    for (const key of ['a', 'b', 'ab']) await fetch(`${cluster.url}/counter/${key}`)
    await until('they are open', async () => (await cluster.get('/api/workers')).length === 3)
    await until('their nodes have told of them', async () => {
      const { members } = await cluster.get('/api/cluster')
      return members.reduce((sum, { workers }) => sum + workers, 0) === 3
    })
    const found = async (query: string): Promise<string[]> =>
      ((await cluster.get(`/api/workers?${query}`)) as WorkerInfo[]).map(({ key }) => key)
    t.strictSame(await found('contains=ER/A&order=name'), ['a', 'ab'])
    t.strictSame(await found('contains=nothing'), [])
    t.equal((await found('order=age&limit=2')).length, 2)
    await t.rejects(found('order=colour'), /order is one of load, name, cpu/)
    await t.rejects(found(`contains=${'x'.repeat(201)}`), /up to 200 letters/)
    const { code, stdout } = await c.aries('top', '--once', '--sort', 'cost', '--filter', 'b')
    t.equal(code, 0)
    t.match(stdout, /^cluster test: 2 of 2 nodes alive, 3 workers, [\d.]+ req\/s/)
    t.match(stdout, /COST▼/)
    t.match(stdout, /\ncounter\/ab +n[12] /)
    t.notMatch(stdout, /counter\/a /)
  })

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
