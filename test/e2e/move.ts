import type { Test } from 'tap'
import type { MoveReport } from '../../src/rpc.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop, quantile } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'
import { moveToOther } from './moving.ts'

const MOVES = 20
const PER_SECOND = 200

/** A counter is moved under load: its values are 1…N, each once. */
export async function moveUnderLoad(t: Test, cluster: TestCluster): Promise<void> {
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
    const { to, ...moved } = await moveToOther(cluster, 'counter/hot')
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
  t.equal(visited.size, 2, 'it lived on both nodes')
  t.comment(
    `${load.sent} requests, ${stalls.length} moves; stall p50 ${quantile(stalls, 0.5).toFixed(1)} ms, max ${Math.max(...stalls).toFixed(1)} ms; answers p99 ${quantile(times, 0.99).toFixed(1)} ms`,
  )
}
