import t from 'tap'
import { aries } from '../cli/aries.ts'
import { ChatClient } from '../helpers/chat.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const KEYS = 30

t.test('every node is restarted under load: no request fails, no socket closes', async (t) => {
  const cluster = await TestCluster.start({ nodes: 2 })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const chat = Array.from(
    { length: 8 },
    (_, i) => new ChatClient(`${cluster.url}/room/r${i % 2}`, `c${i}`),
  )
  t.teardown(() => {
    for (const one of chat) one.close()
  })
  await Promise.all(chat.map((one) => one.opened()))
  const bad: string[] = []
  const values = new Map<number, number[]>()
  const load = new OpenLoop(100, async (n) => {
    const key = n % KEYS
    const path = n % 10 === 0 ? '/hello' : `/counter/k${key}`
    try {
      const { status, body } = await client.send(path === '/hello' ? 'GET' : 'POST', path)
      if (status !== 200) bad.push(`${path}: ${status} ${body}`)
      else if (path !== '/hello') {
        const { value } = JSON.parse(body) as { value: number }
        values.set(key, [...(values.get(key) ?? []), value])
      }
    } catch (error) {
      bad.push(`${path}: ${error}`)
    }
    chat[n % chat.length]!.say(`message ${n}`)
  }).start()
  t.teardown(() => load.stop())
  await until('every counter has counted', () => values.size >= KEYS * 0.9)

  const boots = async (): Promise<Record<string, number>> => {
    const { members } = await cluster.get('/api/cluster')
    const nodes = members.filter(({ role }) => role === 'node')
    return Object.fromEntries(nodes.map(({ id, incarnation }) => [id, incarnation]))
  }
  t.same(await boots(), { n1: 1, n2: 1 })
  const { code, stdout, stderr } = await aries([
    'restart',
    '--json',
    '--admin',
    cluster.adminAddress,
  ])
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), [
    { node: 'n1', failure: null },
    { node: 'n2', failure: null },
  ])
  t.same(await boots(), { n1: 2, n2: 2 })
  const statuses = await cluster.get('/api/status')
  for (const id of cluster.nodeIds) {
    const status = statuses.find((each) => each.id === id)
    t.match(status, { pid: cluster.pid(id), ready: true, notes: [] }, `${id} is the same process`)
  }
  const sent = load.sent
  await until('the load goes on', () => load.sent > sent + 50)

  await load.stop()
  t.strictSame(bad, [], 'no request failed')
  for (const [key, got] of values) {
    const sorted = got.toSorted((a, b) => a - b)
    t.strictSame(
      sorted,
      Array.from({ length: got.length }, (_, i) => i + 1),
      `k${key} counts 1…N, each once`,
    )
  }
  t.strictSame(
    chat.flatMap((one) => one.faults),
    [],
    'no socket closed, no gap, no repetition',
  )
  if (!t.passing()) t.comment(cluster.logs())
})
