import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Cgroup, mayMakeCgroups } from '../helpers/cgroups.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const BUSY = fileURLToPath(new URL('./fixtures/busy.ts', import.meta.url))
const NODES = ['n1', 'n2', 'n3']
const KEYS = 45
const FAIR = KEYS / NODES.length
/** Each "machine" has so much of a core. */
const CORES = 0.3
const SPINNERS = 3
/** Nobody moves for so long: every node has looked a few times. */
const SETTLED_MS = 3_000

/** What else may run on a machine: it takes all the CPU that it gets. */
function antagonist(group: Cgroup): ChildProcess[] {
  const [command, ...args] = group.on
  return Array.from({ length: SPINNERS }, () =>
    spawn(command!, [...args, 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }),
  )
}

async function end(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }),
  )
}

t.test(
  'workers leave a machine that others need, tasks avoid it, and both come back',
  { skip: mayMakeCgroups() ? false : 'no cgroup may be made here' },
  async (t) => {
    const groups = NODES.map((id) => new Cgroup(id))
    t.teardown(() => {
      for (const group of groups) group.remove()
    })
    const cluster = await TestCluster.start({
      on: (i) => groups[i]!.on,
      routes: [{ path: '/busy/:key', worker: BUSY }],
    })
    t.teardown(() => cluster.stop())
    // Only now: to start takes more CPU than to run.
    for (const group of groups) group.limitCores(CORES)
    const client = new Client(cluster.url)
    t.teardown(() => client.close())

    const bad: string[] = []
    const tasks = new Map<string, number>()
    const load = new OpenLoop(32, async (n) => {
      const isTask = n % 4 === 0
      const path = isTask ? '/hello' : `/busy/k${n % KEYS}?ms=4`
      try {
        const { status, node, body } = await client.send('GET', path)
        if (status !== 200) bad.push(`${path}: ${status} ${body}`)
        if (isTask && node) tasks.set(node, (tasks.get(node) ?? 0) + 1)
      } catch (error) {
        bad.push(String(error))
      }
    }).start()
    t.teardown(() => load.stop())

    const has = async (id: string): Promise<number> =>
      (await cluster.get('/api/workers')).filter((w) => w.node === id).length
    const moves = async (): Promise<number> => {
      let sum = 0
      for (const id of NODES) {
        const text = await (await fetch(`${cluster.adminUrl(id)}/metrics`)).text()
        sum += Number(/^aries_node_moves_total\{.*result="done".*\} (\d+)/m.exec(text)?.[1] ?? 0)
      }
      return sum
    }
    /** The part of n1 in the tasks of the next seconds. */
    const taskPart = async (): Promise<number> => {
      tasks.clear()
      const total = (): number => [...tasks.values()].reduce((sum, count) => sum + count, 0)
      await until('tasks are answered', () => total() >= 20)
      return (tasks.get('n1') ?? 0) / total()
    }
    await until('each node has its share', async () => {
      for (const id of NODES) if ((await has(id)) < FAIR * 0.6) return false
      return true
    })
    // What the filling still moves says nothing about the antagonist.
    let movesBefore = await moves()
    let sinceMs = performance.now()
    await until('the filling has settled', async () => {
      const sum = await moves()
      if (sum !== movesBefore) sinceMs = performance.now()
      movesBefore = sum
      return performance.now() - sinceMs > SETTLED_MS
    })

    const startedMs = performance.now()
    const spinners = antagonist(groups[0]!)
    t.teardown(() => end(spinners))
    await until('workers leave n1', async () => (await has('n1')) <= FAIR / 3)
    const leftMs = performance.now() - startedMs
    const part = await taskPart()
    t.ok(part < 1 / 6, `${part.toFixed(2)} of the tasks go to n1, half of its share at most`)
    const movesAway = (await moves()) - movesBefore
    const stayed = await has('n1')
    t.ok(stayed <= FAIR / 2, `${stayed} workers on n1 while others need it`)

    const endedMs = performance.now()
    await end(spinners)
    await until('n1 fills again', async () => (await has('n1')) >= FAIR * 0.6)
    const backMs = performance.now() - endedMs
    const movesBack = (await moves()) - movesBefore - movesAway
    t.comment(
      `left in ${(leftMs / 1e3).toFixed(1)} s with ${movesAway} moves, then ${stayed}, tasks ${part.toFixed(2)}, ` +
        `back in ${(backMs / 1e3).toFixed(1)} s with ${movesBack}`,
    )
    t.ok(movesAway <= 2 * FAIR, `${movesAway} moves for ${FAIR} workers`)
    t.ok(movesBack <= 2 * FAIR, `${movesBack} moves back`)
    await load.stop()
    t.strictSame(bad, [], 'no request failed')
    if (!t.passing()) t.comment(cluster.logs())
  },
)
