import t from 'tap'
import type { DrainReport } from '../../src/rpc.ts'
import { ChatClient } from '../helpers/chat.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

t.test('a node is drained under load, is stopped, and comes back without a failure', async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const chat = Array.from(
    { length: 20 },
    (_, i) => new ChatClient(`${cluster.url}/room/r${i % 4}`, `c${i}`),
  )
  t.teardown(() => {
    for (const one of chat) one.close()
  })
  await Promise.all(chat.map((one) => one.opened()))

  const bad: string[] = []
  const values = new Map<number, number[]>()
  const load = new OpenLoop(300, async (n) => {
    const key = n % 100
    try {
      const answer =
        n % 10 === 0
          ? await client.send('GET', '/hello')
          : await client.send('POST', `/counter/k${key}`)
      if (answer.status !== 200) bad.push(`${answer.status} ${answer.body}`)
      else if (n % 10 !== 0) {
        const { value } = JSON.parse(answer.body) as { value: number }
        values.set(key, [...(values.get(key) ?? []), value])
      }
    } catch (error) {
      bad.push(String(error))
    }
    chat[n % chat.length]!.say(`message ${n}`)
  }).start()
  t.teardown(() => load.stop())
  await until('the node has workers', async () =>
    (await cluster.get('/api/workers')).some((w) => w.node === 'n1'),
  )
  await until('some load has passed', () => load.sent > 300)

  const drained = await cluster.post('/api/nodes/n1/drain')
  t.equal(drained.status, 200)
  const report = drained.body as DrainReport
  t.ok(report.moved > 0, `${report.moved} workers moved in ${report.ms} ms`)
  t.strictSame(report.left, [], 'none is left')
  const left = (await cluster.get('/api/workers')).filter((w) => w.node === 'n1')
  t.strictSame(left, [], 'no worker is there')
  t.equal(await cluster.terminate('n1'), 0, 'the process can be stopped')
  const sentAtStop = load.sent
  await until('load goes on without the node', () => load.sent > sentAtStop + 200)

  cluster.startNode('n1')
  await cluster.readyNode('n1')
  await until(
    'it takes work again',
    async () => (await cluster.get('/api/workers')).some((w) => w.node === 'n1'),
    15_000,
  )
  await load.stop()

  t.strictSame(bad, [], 'no request failed')
  for (const [key, got] of values) {
    const sorted = got.toSorted((a, b) => a - b)
    t.strictSame(
      sorted,
      Array.from({ length: got.length }, (_, i) => i + 1),
      `the values of k${key} are 1…N, each once`,
    )
  }
  t.strictSame(
    chat.flatMap((one) => one.faults),
    [],
    'no socket closed, no gap, no repetition',
  )
  if (!t.passing()) t.comment(cluster.logs())
})
