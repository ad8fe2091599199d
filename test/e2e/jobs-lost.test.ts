import t from 'tap'
import { until } from '../helpers/until.ts'
import { isAlive, JobCluster } from './job-cluster.ts'

t.test('the node of a job', async (t) => {
  const c = await JobCluster.start(t, { cpu: 4, drainMs: 500 }, { key: 'a key of the cluster' })
  const { cluster } = c
  await t.test('who does not show the key sees no job and runs none', async (t) => {
    const { status, body } = await cluster.post('/api/jobs', { module: 'echo.ts' })
    t.match({ status, body }, { status: 401, body: { error: { code: 'ARIES_E_UNAUTHORIZED' } } })
    const { code, stderr } = await c.start(['jobs'], undefined, 'another key, as long').ended
    t.equal(code, 1)
    t.match(stderr, /set ARIES_CLUSTER_KEY/)
    t.equal((await c.aries('run', 'echo.ts', '4')).code, 4)
  })

  await t.test('dies: its jobs die with it, are lost, or run again elsewhere', async (t) => {
    const once = await c.detach('stay.ts')
    const victim = (await c.job(once)).node!
    const other = victim === 'n1' ? 'n2' : 'n1'
    await cluster.post(`/api/nodes/${other}/cordon`)
    const again = await c.detach('stay.ts', ['deaf'], { restart: true })
    t.equal((await c.job(again)).node, victim)
    await cluster.post(`/api/nodes/${other}/undrain`)
    const pids = [...(await c.pids(once)), ...(await c.pids(again))]
    const follower = c.start(['logs', once, '--follow'])
    await until('its output is followed', () => /pids/.test(follower.stdout()))
    await cluster.kill(victim)
    await until('nothing of its jobs is left', () => !pids.some(isAlive))
    const lost = await c.untilState(once, 'lost')
    t.match(lost, { exitCode: null, node: victim, why: /ended or was cut off/ })
    t.equal((await follower.ended).code, 0)
    const second = await c.untilState(again, 'running')
    t.match(second, { node: other, runs: 2 })
    const [pid] = await c.pids(again)
    cluster.startNode(victim)
    await cluster.readyNode(victim)

    await t.test('is drained: jobs that restart leave it, others are told of', async (t) => {
      const stays = await c.detach('stay.ts')
      const at = (await c.job(stays)).node!
      await cluster.post(`/api/nodes/${at === 'n1' ? 'n2' : 'n1'}/undrain`)
      const { code, stdout } = await c.aries('drain', at)
      t.equal(code, 1)
      t.match(stdout, `job ${stays} still runs there`)
      if (at === other) {
        await until('it runs elsewhere', async () => (await c.job(again)).node === victim)
        t.notOk(isAlive(pid!), 'and here no more')
      }
      t.equal((await c.aries('kill', stays)).code, 0)
      await c.untilState(stays, 'ended')
      await cluster.post(`/api/nodes/${at}/undrain`)
    })
  })

  await t.test('is stopped: its jobs end, and the reason is told', async (t) => {
    const id = await c.detach('stay.ts', ['deaf'])
    const { node } = await c.job(id)
    const pids = await c.pids(id)
    t.equal(await cluster.terminate(node!), 0)
    t.notOk(pids.some(isAlive), 'nothing of it is left')
    t.match(await c.job(id), { state: 'ended', signal: 'SIGKILL', why: /was stopped/ })
  })

  if (!t.passing()) t.comment(cluster.logs(60))
})
