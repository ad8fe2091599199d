import type { Test } from 'tap'
import type { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop, quantile } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const KEYS = 150
const PER_SECOND = 200

/**
 * Increments `KEYS` counters, kills n2 with -9 in the middle, or the process of it that `pidOf`
 * names, and checks what was acknowledged.
 */
export async function killUnderLoad(
  t: Test,
  cluster: TestCluster,
  pidOf: () => Promise<number> | number = () => cluster.pid('n2'),
): Promise<void> {
  const client = new Client(cluster.url, 100)
  t.teardown(() => client.close())
  const acked: number[][] = Array.from({ length: KEYS }, () => [])
  const unknown: string[] = []
  const bad: string[] = []
  for (let key = 0; key < KEYS; key++) await client.send('GET', `/counter/k${key}`)

  const workers = await cluster.get('/api/workers')
  const victims = new Set(workers.filter((w) => w.node === 'n2').map((w) => Number(w.key.slice(1))))
  t.ok(victims.size > 0, 'the node to be killed has workers')

  const load = new OpenLoop(PER_SECOND, async (n) => {
    const key = n % KEYS
    try {
      const answer = await client.send('POST', `/counter/k${key}`)
      if (answer.status === 200) {
        acked[key]!.push((JSON.parse(answer.body) as { value: number }).value)
      } else if (answer.status === 502 && answer.body.includes('ARIES_E_OUTCOME_UNKNOWN')) {
        unknown.push(answer.body)
      } else {
        bad.push(`${answer.status} ${answer.body}`)
      }
    } catch (error) {
      bad.push(String(error))
    }
  }).start()
  t.teardown(() => load.stop())

  await until('some load has passed', () => load.sent > PER_SECOND)
  const pid = await pidOf()
  const killedMs = performance.now()
  process.kill(pid, 'SIGKILL')
  // Asked for at once, each worker tells how long it took until somebody served it.
  const away = await Promise.all(
    [...victims].map(async (key) => {
      const answer = await client.send('GET', `/counter/k${key}`)
      t.equal(answer.status, 200, `k${key} is served again`)
      return performance.now() - killedMs
    }),
  )
  const sentAfter = load.sent + PER_SECOND
  await until('the load goes on', () => load.sent > sentAfter)
  await load.stop()

  t.strictSame(bad, [], 'nothing but 200 and 502 ARIES_E_OUTCOME_UNKNOWN is answered')
  let sum = 0
  let ackedSum = 0
  for (let key = 0; key < KEYS; key++) {
    const got = acked[key]!
    t.equal(new Set(got).size, got.length, `no value of k${key} is answered twice: ${got}`)
    const answer = await client.send('GET', `/counter/k${key}`)
    const { value } = JSON.parse(answer.body) as { value: number }
    const highest = got.reduce((max, v) => Math.max(max, v), 0)
    if (value < highest) t.fail(`k${key} went back from ${highest} to ${value}`)
    sum += value
    ackedSum += got.length
  }
  t.ok(sum >= ackedSum, `no acknowledged increment is lost: ${sum} ≥ ${ackedSum}`)
  t.ok(sum <= load.sent, `nothing is applied twice: ${sum} ≤ ${load.sent}`)
  t.comment(
    `${load.sent} sent, ${ackedSum} acknowledged, ${unknown.length} unknown, sum ${sum}; ` +
      `${victims.size} workers were unavailable for p50 ${quantile(away, 0.5).toFixed(0)} ms, ` +
      `p99 ${quantile(away, 0.99).toFixed(0)} ms`,
  )
}

/** Starts a node that was killed again, and waits until it has workers. */
export async function comesBack(cluster: TestCluster, id: string): Promise<void> {
  cluster.startNode(id)
  await cluster.readyNode(id)
  await until(`${id} has work again`, async () => {
    const { members } = await cluster.get('/api/cluster')
    return members.some((m) => m.id === id && m.state === 'alive' && m.workers > 0)
  })
}
