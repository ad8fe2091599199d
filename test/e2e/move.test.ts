import t from 'tap'
import type { MoveReport } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop, quantile } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const MOVES = 20
const PER_SECOND = 500

t.test('a counter is moved 20 times under 500 POSTs a second: 1…N, each once', async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())

  const values: number[] = []
  const bad: string[] = []
  const times: number[] = []
  const load = new OpenLoop(PER_SECOND, async () => {
    try {
      const answer = await client.send('POST', '/counter/hot')
      if (answer.status === 200) values.push((JSON.parse(answer.body) as { value: number }).value)
      else bad.push(`${answer.status} ${answer.body}`)
      times.push(answer.ms)
    } catch (error) {
      bad.push(String(error))
    }
  }).start()
  t.teardown(() => load.stop())

  const stalls: number[] = []
  const visited = new Set<string>()
  await client.send('GET', '/counter/hot')
  for (let i = 0; i < MOVES; i++) {
    const workers = await cluster.get('/api/workers')
    const here = workers.find((w) => w.key === 'hot')?.node
    const to = ['n1', 'n2', 'n3'].filter((node) => node !== here)[i % 2]!
    const moved = await cluster.post('/api/workers/counter/hot/move', { to })
    if (moved.status !== 200) {
      t.fail(`move ${i} to ${to}: ${JSON.stringify(moved.body)}`)
      continue
    }
    const report = moved.body as MoveReport
    t.equal(report.to, to)
    t.ok(report.toEpoch > report.fromEpoch, 'the epoch rises')
    stalls.push(report.stallMs)
    const sentAtMove = load.sent
    await until('load goes on', () => load.sent >= sentAtMove + PER_SECOND / 10)
    visited.add(to)
  }
  await load.stop()

  t.strictSame(bad, [], 'every request is answered 200')
  t.equal(values.length, load.sent)
  t.strictSame(
    values.toSorted((a, b) => a - b),
    Array.from({ length: load.sent }, (_, i) => i + 1),
    'the values are exactly 1…N',
  )
  t.ok(visited.size >= 2, 'it lived on several nodes')
  t.comment(
    `${load.sent} requests, ${stalls.length} moves; stall p50 ${quantile(stalls, 0.5).toFixed(1)} ms, max ${Math.max(...stalls).toFixed(1)} ms; answers p99 ${quantile(times, 0.99).toFixed(1)} ms`,
  )
  if (!t.passing()) t.comment(cluster.logs())
})
