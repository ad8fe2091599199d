import type { Test } from 'tap'
import { type TestCluster, until } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'

const KEYS = 300
const PER_SECOND = 400

/** Increments `KEYS` counters, kills n2 with -9 in the middle, checks what was acknowledged. */
export async function killUnderLoad(t: Test, cluster: TestCluster): Promise<void> {
  const client = new Client(cluster.url, 100)
  t.teardown(() => client.close())
  const acked: number[][] = Array.from({ length: KEYS }, () => [])
  const unknown: string[] = []
  const bad: string[] = []
  for (let key = 0; key < KEYS; key++) await client.send('GET', `/counter/k${key}`)

  let killedAtMs = 0
  const recoveredMs = new Map<number, number>()
  const workers = await cluster.get('/api/workers')
  const victims = new Set(workers.filter((w) => w.node === 'n2').map((w) => Number(w.key.slice(1))))
  t.ok(victims.size > 0, 'the node to be killed has workers')

  const load = new OpenLoop(PER_SECOND, async (n) => {
    const key = n % KEYS
    const sentMs = performance.now()
    try {
      const answer = await client.send('POST', `/counter/k${key}`)
      if (answer.status === 200) {
        acked[key]!.push((JSON.parse(answer.body) as { value: number }).value)
        const late = killedAtMs > 0 && sentMs >= killedAtMs && victims.has(key)
        if (late && !recoveredMs.has(key)) recoveredMs.set(key, performance.now() - killedAtMs)
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

  await until('some load has passed', () => load.sent > 400)
  killedAtMs = performance.now()
  await cluster.kill('n2')
  await until('every worker of the dead node answers again', () => recoveredMs.size >= victims.size)
  const whileDown = await client.send('GET', '/counter/k0')
  t.equal(whileDown.status, 200)
  await load.stop()

  t.strictSame(bad, [], 'nothing but 200 and 502 ARIES_E_OUTCOME_UNKNOWN is answered')
  let sum = 0
  let ackedSum = 0
  for (let key = 0; key < KEYS; key++) {
    const got = acked[key]!
    t.equal(new Set(got).size, got.length, `no value of k${key} is answered twice`) ||
      t.comment(got)
    const answer = await client.send('GET', `/counter/k${key}`)
    const { value } = JSON.parse(answer.body) as { value: number }
    const highest = got.reduce((max, v) => Math.max(max, v), 0)
    if (value < highest) t.fail(`k${key} went back from ${highest} to ${value}`)
    sum += value
    ackedSum += got.length
  }
  t.ok(sum >= ackedSum, `no acknowledged increment is lost: ${sum} ≥ ${ackedSum}`)
  t.ok(sum <= load.sent, `nothing is applied twice: ${sum} ≤ ${load.sent}`)
  const times = [...recoveredMs.values()].sort((a, b) => a - b)
  t.comment(
    `${load.sent} sent, ${ackedSum} acknowledged, ${unknown.length} unknown, sum ${sum}; ` +
      `${victims.size} workers were unavailable for p50 ${times[times.length >> 1]?.toFixed(0)} ms, ` +
      `max ${times.at(-1)?.toFixed(0)} ms (from the kill to their first answer to a request sent after it)`,
  )
}
