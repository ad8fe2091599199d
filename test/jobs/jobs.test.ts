import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Config } from '../../src/config/schema.ts'
import { type JobInfo, jobSpec } from '../../src/jobs/job.ts'
import { Jobs, type JobsComponents } from '../../src/jobs/jobs.ts'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'
import { LOAD } from '../cli/stub-admin.ts'
import { isAlive } from '../e2e/job-cluster.ts'
import { until } from '../helpers/until.ts'

const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url))
/** The clock of a node keeps no process alive; its sockets do. */
const awake = setInterval(() => {}, 1_000)
t.teardown(() => clearInterval(awake))

interface Fixture {
  readonly jobs: Jobs
  readonly store: Store
  readonly dir: string
  /** What the lease says. */
  incarnation: number
  begin(module: string, args?: readonly string[], restart?: boolean): Promise<string>
}

/** The jobs of the only node of a cluster, with a real store and a real keeper. */
async function fixture(
  t: import('tap').Test,
  more: Partial<Config['jobs']> = {},
): Promise<Fixture> {
  const dir = mkdtempSync(join(tmpdir(), 'aries-jobs-'))
  const store = await openStore({ log }, `sqlite:${dir}/aries.db`)
  const limits: Config['jobs'] = {
    folders: [FIXTURES],
    output: join(dir, 'output'),
    environment: [],
    cpu: 4,
    queueMax: 10,
    outputBytesMax: 65_536,
    keep: 1,
    keepHours: 1,
    graceMs: 500,
    drainMs: 500,
    ...more,
  }
  const member = { id: 'n1', load: LOAD }
  const components = {
    store,
    log,
    world: realWorld,
    membership: { selfId: 'n1', member: () => member, members: () => [member] },
    placer: {
      candidates: () => [{ id: 'n1', load: LOAD, loadAgeMs: 0, sentSince: 0, repel: 1 }],
      exclusion: () => undefined,
    },
    peers: {},
  } as unknown as JobsComponents
  const config = { jobs: limits, placement: { candidates: 3 }, log: { level: 'silent' } } as Config
  const jobs = new Jobs(components, {
    node: 'n1',
    config,
    incarnation: () => own.incarnation,
    takes: () => true,
    begun: () => {},
  })
  const own: Fixture = {
    jobs,
    store,
    dir,
    incarnation: await store.register('n1', 60_000),
    begin: async (module, args = [], restart = false) => {
      const { id } = await jobs.submit(jobSpec({ module, args, restart, memoryBytes: 0 }))
      return id
    },
  }
  jobs.start()
  t.teardown(async () => {
    await jobs.stop()
    await store.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return own
}

async function is(f: Fixture, id: string, state: JobInfo['state']): Promise<JobInfo> {
  await until(`job ${id} is ${state}`, async () => (await f.jobs.info(id)).state === state)
  return f.jobs.info(id)
}

async function pids(f: Fixture, id: string): Promise<number[]> {
  let found: number[] = []
  await until('it tells its processes', async () => {
    let text = ''
    for await (const chunk of f.jobs.output(id, 0, false)) text += chunk
    found = /pids (\d+) (\d+)/.exec(text)?.slice(1).map(Number) ?? []
    return found.length === 2
  })
  return found
}

t.test('what the processes of a job use is told', async (t) => {
  const f = await fixture(t)
  const id = await f.begin('stay.ts')
  const own = () => f.jobs.usages.find((usage) => usage.id === id)
  // Two processes of Node.
  await until('it is measured', () => (own()?.memoryBytes ?? 0) > 40_000_000)
  await until('at rest it uses no core', () => own()!.cpu < 0.2)
  await f.jobs.kill(id, 'SIGKILL')
  await is(f, id, 'ended')
  t.same(f.jobs.usages, [])
})

t.test('the keeper dies: its jobs end, are lost, or run again', async (t) => {
  const f = await fixture(t)
  const once = await f.begin('stay.ts')
  const again = await f.begin('stay.ts', [], true)
  const processes = [...(await pids(f, once)), ...(await pids(f, again))]
  process.kill(f.jobs.infos[0]!.pid, 'SIGKILL')
  await until('nothing is left of them', () => !processes.some(isAlive))
  t.match(await is(f, once, 'lost'), { exitCode: null, signal: null, why: /kept it was ended/ })
  await until('it runs again', async () => (await f.jobs.info(again)).runs === 2)
  t.notSame(await pids(f, again), processes.slice(2))
})

t.test('a node without a lease ends what others may run, and keeps the rest', async (t) => {
  const f = await fixture(t)
  const once = await f.begin('stay.ts')
  const again = await f.begin('stay.ts', [], true)
  const [kept] = await pids(f, once)
  const [ended] = await pids(f, again)
  f.incarnation = 0
  await f.store.evict('n1', 1)
  f.jobs.lost()
  await until('it is ended', () => !isAlive(ended!))
  t.ok(isAlive(kept!))
  t.match(await f.jobs.info(again), { state: 'running', runs: 1 }, 'as the store knows')
  f.incarnation = await f.store.register('n1', 60_000)
  f.jobs.granted()
  await until('it runs again', async () => (await f.jobs.info(again)).runs === 2)
  await until('the other is taken over', async () => (await f.store.job(once))!.nodeActive)
  t.match(await f.jobs.info(once), { state: 'running', runs: 1 })
  t.ok(isAlive(kept!))
})

t.test('what was thought lost is found, and what runs elsewhere is ended', async (t) => {
  const f = await fixture(t)
  const found = await f.begin('stay.ts')
  const moved = await f.begin('stay.ts')
  const [kept] = await pids(f, found)
  const [ended] = await pids(f, moved)
  const by = { node: 'n2', incarnation: await f.store.register('n2', 60_000) }
  const change = async (id: string, info: Partial<JobInfo>): Promise<void> => {
    const row = (await f.store.job(id))!
    const changed = { ...(JSON.parse(row.body) as JobInfo), ...info }
    const state = changed.state
    const node = changed.node!
    t.equal(
      await f.store.writeJob({ row: { ...row, node, state, body: JSON.stringify(changed) }, by }),
      'ok',
    )
  }
  await change(found, { state: 'lost' })
  await change(moved, { node: 'n2', runs: 2 })
  f.incarnation = await f.store.register('n1', 60_000)
  f.jobs.granted()
  t.match(await is(f, found, 'running'), { node: 'n1' })
  await until('the other is ended here', () => !isAlive(ended!))
  t.ok(isAlive(kept!))
  t.match(await f.jobs.info(moved), { state: 'running', node: 'n2' }, 'and says nothing of it')
})

t.test('an end is written when the store takes it', async (t) => {
  const f = await fixture(t)
  const id = await f.begin('stay.ts')
  const [pid] = await pids(f, id)
  const { incarnation } = f
  f.incarnation = 0
  process.kill(pid!, 'SIGTERM')
  await until('it has ended', () => f.jobs.counts.running === 0)
  t.equal((await f.jobs.info(id)).state, 'running')
  f.incarnation = incarnation
  t.match(await is(f, id, 'ended'), { signal: 'SIGTERM' })
})

t.test('the past is forgotten, with what was printed', async (t) => {
  const f = await fixture(t)
  const ids = [await f.begin('echo.ts', ['0']), await f.begin('echo.ts', ['0'])]
  for (const id of ids) await is(f, id, 'ended')
  const stays = await f.begin('stay.ts')
  await pids(f, stays)
  const folder = join(f.dir, 'output', 'n1')
  t.equal(readdirSync(folder).length, 3)
  await f.jobs.tidy()
  t.equal(readdirSync(folder).length, 2)
  t.ok(existsSync(join(folder, stays)))
  t.equal((await f.jobs.list(true, 10)).length, 2)
})

t.test('a module that is gone by then ends the job with the reason', async (t) => {
  const f = await fixture(t, { cpu: 1 })
  const first = await f.begin('stay.ts')
  const id = await f.begin('echo.ts', ['0'])
  const row = (await f.store.job(id))!
  const info = { ...(JSON.parse(row.body) as JobInfo), module: 'gone.ts' }
  const by = { node: 'n1', incarnation: f.incarnation }
  await f.store.writeJob({ row: { ...row, body: JSON.stringify(info) }, by })
  await f.jobs.kill(first, 'SIGKILL')
  const job = await is(f, id, 'ended')
  t.match(job, { exitCode: null, signal: null, why: /no module "gone\.ts"/ })
})

t.test('what is no job is refused', async (t) => {
  const spec = jobSpec({ module: 'a.ts' })
  t.same(spec, {
    module: 'a.ts',
    args: [],
    priority: 0,
    cpu: 1,
    memoryBytes: 0,
    restart: false,
    input: false,
  })
  for (const bad of [
    undefined,
    null,
    'a.ts',
    {},
    { module: '' },
    { module: 'a\0.ts' },
    { module: 'a'.repeat(5_000) },
    { module: 'a.ts', args: 'x' },
    { module: 'a.ts', args: [1] },
    { module: 'a.ts', args: ['\ud800'] },
    { module: 'a.ts', args: ['x'.repeat(9_000), 'x'.repeat(9_000)] },
    { module: 'a.ts', args: Array.from({ length: 1_001 }, () => '') },
    { module: 'a.ts', priority: 0.5 },
    { module: 'a.ts', priority: 1_001 },
    { module: 'a.ts', cpu: 0 },
    { module: 'a.ts', cpu: '2' },
    { module: 'a.ts', cpu: Number.NaN },
    { module: 'a.ts', memoryBytes: -1 },
    { module: 'a.ts', memoryBytes: 1.5 },
  ]) {
    t.throws(() => jobSpec(bad), { code: 'ARIES_E_BAD_REQUEST' })
  }
})
