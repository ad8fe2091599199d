import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { WorkerDetail } from '../../src/rpc.ts'
import { Cgroup, mayMakeCgroups } from '../helpers/cgroups.ts'
import { PATIENT_MOVES, TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url))

const KEYS = 40
const STATE_BYTES = 256 * 1024
/** What the "machine" of n1 has, over what its processes use when the hog begins. */
const ROOM_BYTES = 250 * 1024 * 1024

t.test(
  'a machine whose memory runs out sends its workers away before anything is killed',
  { skip: mayMakeCgroups() ? false : 'no cgroup may be made here' },
  async (t) => {
    // Each node has one, so that they are on a par; only that of n1 has a limit.
    const groups = ['n1', 'n2', 'n3'].map((id) => new Cgroup(id))
    t.teardown(() => {
      for (const each of groups) each.remove()
    })
    const group = groups[0]!
    const cluster = await TestCluster.start({
      on: (i) => groups[i]!.on,
      routes: [{ path: '/busy/:key', worker: fixture('busy') }],
      // Balance has no say in this: what goes, goes for the memory.
      config: { classes: { busy: { stay: true } }, move: PATIENT_MOVES },
    })
    t.teardown(() => cluster.stop())
    const client = new Client(cluster.url)
    t.teardown(() => client.close())
    const bad: string[] = []
    const ask = async (path: string): Promise<void> => {
      const { status, body } = await client.send('GET', path).catch((error: unknown) => ({
        status: 0,
        body: String(error),
      }))
      if (status !== 200) bad.push(`${path}: ${status} ${body}`)
    }
    for (let i = 0; i < KEYS; i++) await ask(`/busy/k${i}?bytes=${STATE_BYTES}`)
    const has = async (id: string): Promise<number> =>
      (await cluster.get('/api/workers')).filter((w) => w.node === id).length
    // Wherever they were placed: these are the ones that it is about.
    for (let i = 0; i < KEYS / 2; i++) {
      const { status, body } = await cluster.post(`/api/workers/busy/k${i}/move`, { to: 'n1' })
      const isThere = JSON.stringify(body).includes('already on n1')
      t.ok(status === 200 || isThere, `k${i} moves to n1: ${JSON.stringify(body)}`)
    }
    t.ok((await has('n1')) >= KEYS / 2)
    const load = new OpenLoop(40, (n) => ask(`/busy/k${n % KEYS}`)).start()
    t.teardown(() => load.stop())

    const limit = group.memoryBytes + ROOM_BYTES
    group.limitMemory(limit)
    const [command, ...args] = group.on
    const hog = spawn(
      command!,
      [...args, process.execPath, fixture('hog'), group.memoryFile, String(limit), '0.92'],
      { stdio: 'ignore' },
    )
    const ended = once(hog, 'exit')
    t.teardown(async () => {
      hog.kill('SIGKILL')
      await ended
    })
    const startedMs = performance.now()
    await until('every worker has left n1', async () => (await has('n1')) === 0)
    const leftMs = performance.now() - startedMs
    t.comment(
      `all left in ${(leftMs / 1e3).toFixed(1)} s, at ${Math.round((100 * group.memoryBytes) / limit)} %`,
    )
    t.equal(group.killed, 0, 'the kernel killed nothing')
    t.equal(hog.exitCode ?? hog.signalCode, null, 'not even the hog')
    const { decision } = (await cluster.get('/api/workers/busy/k0')) as WorkerDetail
    t.match(decision, { why: 'usher', by: 'n1' })
    await load.stop()
    t.strictSame(bad, [], 'no request failed')
    if (!t.passing()) t.comment(cluster.logs())
  },
)
