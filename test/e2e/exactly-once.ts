import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import type { TestCluster } from '../helpers/cluster.ts'
import { OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const COUNTERS = 40
const PER_SECOND = 100
const GIVE_UP_MS = 60_000
/**
 * How long a client waits for an answer, and then until it sends again; both double each time. All
 * that wait must not be a load of their own, and a machine may be slower than the first attempt.
 */
const ATTEMPT_MS = { first: 150, last: 4_800 }
const PAUSE_MS = { first: 20, last: 640 }
/** One of so many is sent again though it was answered, as by a client that lost the answer. */
const SENT_TWICE = 3

const doubled = ({ first, last }: typeof PAUSE_MS, times: number): number =>
  Math.min(first * 2 ** times, last)

/**
 * Increments counters under keys of their own, kills n2 with -9 in the middle; clients send again,
 * under the same key, whatever was not answered 200. Every key must count exactly once.
 */
export async function exactlyOnceUnderKill(t: Test, cluster: TestCluster): Promise<void> {
  const agent = new Agent({ connections: 100, pipelining: 1, allowH2: false })
  t.teardown(() => agent.destroy())
  const values: number[][] = Array.from({ length: COUNTERS }, () => [])
  const failed: string[] = []
  const wrong: string[] = []
  let again = 0

  const attempt = async (n: number, ms: number): Promise<{ status: number; text: string }> => {
    try {
      const response = await request(`${cluster.url}/counter/o${n % COUNTERS}`, {
        method: 'POST',
        headers: { 'idempotency-key': `key ${n}` },
        dispatcher: agent,
        signal: AbortSignal.timeout(ms),
      })
      return { status: response.statusCode, text: await response.body.text() }
    } catch (error) {
      return { status: 0, text: String(error) }
    }
  }
  const repeat = async (n: number, first: string): Promise<void> => {
    const answer = await attempt(n, ATTEMPT_MS.last)
    if (answer.status === 200 && answer.text !== first) wrong.push(`${answer.text} after ${first}`)
  }
  const increment = async (n: number): Promise<void> => {
    const untilMs = performance.now() + GIVE_UP_MS
    for (let times = 0; ; times++) {
      const answer = await attempt(n, doubled(ATTEMPT_MS, times))
      if (answer.status === 200) {
        values[n % COUNTERS]!.push((JSON.parse(answer.text) as { value: number }).value)
        if (n % SENT_TWICE === 0) await repeat(n, answer.text)
        return
      }
      if (performance.now() > untilMs) {
        failed.push(`${answer.status} ${answer.text}`)
        return
      }
      again++
      await sleep(doubled(PAUSE_MS, times))
    }
  }

  for (let key = 0; key < COUNTERS; key++) await request(`${cluster.url}/counter/o${key}`)
  const workers = await cluster.get('/api/workers')
  t.ok(
    workers.some((worker) => worker.node === 'n2'),
    'the node to be killed has workers',
  )
  const load = new OpenLoop(PER_SECOND, increment).start()
  t.teardown(() => load.stop())
  await until('some load has passed', () => load.sent > PER_SECOND)
  process.kill(cluster.pid('n2'), 'SIGKILL')
  const sentAfter = load.sent + PER_SECOND
  await until('the load goes on', () => load.sent > sentAfter)
  await load.stop()

  t.strictSame(failed, [], 'every request was answered in the end')
  t.strictSame(wrong, [], 'an answer never changes')
  let sum = 0
  for (let key = 0; key < COUNTERS; key++) {
    const response = await request(`${cluster.url}/counter/o${key}`)
    const { value } = (await response.body.json()) as { value: number }
    const got = values[key]!.toSorted((a, b) => a - b)
    const expected = Array.from({ length: value }, (_, i) => i + 1)
    t.strictSame(got, expected, `the values of o${key} are 1 to ${value}, each answered once`)
    sum += value
  }
  t.equal(sum, load.sent, 'each key counts exactly once')
  t.comment(`${load.sent} keys, ${again} requests sent again by the client`)
}
