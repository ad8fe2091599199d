import t from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'
import { Deploying, greet, tally } from './deploying.ts'

const KEYS = 40

interface Answer {
  readonly value: number
  readonly code: string
}

t.test('new code under load: no request fails, no socket closes', async (t) => {
  const deploying = await Deploying.start(t)
  const { cluster } = deploying
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const chat = Array.from(
    { length: 20 },
    (_, i) => new ChatClient(`${cluster.url}/lobby/r${i % 4}`, `c${i}`),
  )
  t.teardown(() => {
    for (const one of chat) one.close()
  })
  await Promise.all(chat.map((one) => one.opened()))
  const bad: string[] = []
  const values = new Map<number, number[]>()
  const codes = { tally: '', greet: '' }
  const load = new OpenLoop(100, async (n) => {
    const key = n % KEYS
    const path = n % 5 === 0 ? '/greet' : `/tally/k${key}`
    try {
      const { status, body } = await client.send('POST', path)
      if (status !== 200) {
        bad.push(`${path}: ${status} ${body}`)
        return
      }
      const { value, code } = JSON.parse(body) as Answer
      if (path === '/greet') codes.greet = code
      else {
        codes.tally = code
        values.set(key, [...(values.get(key) ?? []), value])
      }
    } catch (error) {
      bad.push(`${path}: ${error}`)
    }
    chat[n % chat.length]!.say(`message ${n}`)
  }).start()
  t.teardown(() => load.stop())
  await until('every counter has counted', () => values.size >= KEYS - KEYS / 5)
  t.match(codes, { tally: 'old', greet: 'old' })

  deploying.write('tally.ts', tally('new'))
  deploying.write('greet.ts', greet('new'))
  const done = await deploying.deploy()
  t.equal(done.code, 0)
  t.match(done.reports, [
    { node: 'n1', generation: 2, left: 0, failure: null },
    { node: 'n2', generation: 2, left: 0, failure: null },
  ])
  t.ok(
    done.reports.reduce((sum, { moved }) => sum + moved, 0) >= 4,
    `moved in ${done.reports.map(({ moved, ms }) => `${ms} ms: ${moved}`).join(', ')}`,
  )
  await until('the new code answers', () => codes.tally === 'new' && codes.greet === 'new')
  const workers = await cluster.get('/api/workers')
  t.same([...new Set(workers.map(({ generation }) => generation))], [2])
  await until('the old processes have ended', async () => {
    const statuses = await cluster.get('/api/status')
    return statuses.every((each) => each.processes.every(({ generation }) => generation === 2))
  })

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
