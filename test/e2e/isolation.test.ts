import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ariesHere } from '../cli/aries.ts'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const API = fileURLToPath(new URL('../../src/worker/index.ts', import.meta.url))
const MODULE = `import { Worker } from '${API}'
export default class Alone extends Worker {
  fetch(request) {
    if (request.method === 'DELETE') process.kill(process.pid, 'SIGKILL')
    const value = (this.state.get('value') ?? 0) + 1
    this.state.set('value', value)
    return Response.json({ value, pid: process.pid, heap: process.execArgv.join() })
  }
}
`

interface Answer {
  readonly value: number
  readonly pid: number
  readonly heap: string
}

t.test('workers of a class with a process each', async (t) => {
  const folder = t.testdir({ 'alone.ts': MODULE })
  const cluster = await TestCluster.start({
    nodes: 2,
    routes: [{ path: '/alone/:key', worker: join(folder, 'alone.ts') }],
    config: {
      classes: { alone: { isolation: 'process', memoryMb: 128, sleepAfterMs: 10_000 } },
      // Each opening starts a process, which takes its time on a busy machine.
      front: { ownerTimeoutMs: 30_000 },
      move: PATIENT_MOVES,
      // Nothing moves by itself.
      placement: { hysteresis: 10 },
    },
  })
  t.teardown(() => cluster.stop())
  const ask = async (key: string, method = 'POST'): Promise<Answer> => {
    const response = await fetch(`${cluster.url}/alone/${key}`, { method })
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    return (await response.json()) as Answer
  }
  const own = async (): Promise<(string | undefined)[]> => {
    const statuses = await cluster.get('/api/status')
    const workers = statuses.flatMap((each) => each.processes.map(({ worker }) => worker))
    // Where one opens so slowly that another node is asked meanwhile, that one has a process too.
    return [...new Set(workers.filter((worker) => worker !== undefined))].toSorted()
  }
  const [a, b] = [await ask('a'), await ask('b')]
  t.not(a.pid, b.pid)
  t.match(a.heap, '--max-old-space-size=128')
  t.same(await own(), ['alone/a', 'alone/b'])

  await t.test('one moves into a process of its own at the other node', async (t) => {
    const workers = await cluster.get('/api/workers')
    const from = workers.find((each) => each.class === 'alone' && each.key === 'a')!.node
    const to = from === 'n1' ? 'n2' : 'n1'
    t.match(await cluster.post('/api/workers/alone/a/move', { to }), { status: 200 })
    const after = await ask('a')
    t.equal(after.value, 2)
    t.not(after.pid, a.pid)
    await until('its first process has ended', () => !isAlive(a.pid))
  })

  await t.test('a crash of it touches no other', async (t) => {
    const { value, pid } = await ask('b')
    await ask('a', 'DELETE').catch(() => undefined)
    t.match(await ask('b'), { value: value + 1, pid })
    await until('it opens in another process', async () => (await ask('a')).value >= 3)
    t.match(await ask('b'), { value: value + 2, pid })
  })

  await t.test('new code moves each into a process of its own', async (t) => {
    const before = [await ask('a'), await ask('b')]
    writeFileSync(join(folder, 'alone.ts'), MODULE.replace('heap:', 'fresh: true, heap:'))
    const { code, stdout } = await ariesHere(['deploy', '--admin', cluster.adminAddress])
    t.equal(code, 0, stdout)
    const after = [await ask('a'), await ask('b')]
    t.match(after, [{ fresh: true }, { fresh: true }])
    const pids = [...before, ...after].map(({ pid }) => pid)
    t.equal(new Set(pids).size, 4)
    t.same(
      after.map(({ value }) => value),
      before.map(({ value }) => value + 1),
    )
  })

  await t.test('one that falls asleep gives its process back', async (t) => {
    // A process whose worker never came stays for 80 s.
    await until('both are closed', async () => (await own()).length === 0, 120_000)
    t.equal((await ask('b')).value, 7)
  })
  if (!t.passing()) t.comment(cluster.logs())
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
