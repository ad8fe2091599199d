import t from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client, OpenLoop } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const KEYS = 150
const PER_SECOND = 150
/** Every third request is for a task. */
const COUNTERS = (KEYS * 2) / 3

t.test('a third node joins under load, gets work, and leaves with the map', async (t) => {
  const cluster = await TestCluster.start({ nodes: 2, spare: 1 })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())

  const bad: string[] = []
  const helloBy = new Set<string>()
  const load = new OpenLoop(PER_SECOND, async (n) => {
    try {
      const answer =
        n % 3 === 0
          ? await client.send('GET', '/hello')
          : await client.send('POST', `/counter/k${n % KEYS}`)
      if (answer.status !== 200) bad.push(`${answer.status} ${answer.body}`)
      if (n % 3 === 0 && answer.node) helloBy.add(answer.node)
    } catch (error) {
      bad.push(String(error))
    }
  }).start()
  t.teardown(() => load.stop())
  await until('every counter lives', () => load.sent > KEYS * 1.5)

  cluster.declare(3)
  cluster.startNode('n3')
  await cluster.readyNode('n3')
  const readyMs = performance.now()
  await until('tasks go to the new node', () => helloBy.has('n3'))
  const tasksMs = performance.now() - readyMs
  const share = async (): Promise<number> =>
    (await cluster.get('/api/workers')).filter((w) => w.node === 'n3').length
  await until('workers live on the new node', async () => (await share()) > 0)
  const workersMs = performance.now() - readyMs
  await until('it carries its share', async () => (await share()) > 0.75 * (COUNTERS / 3))
  t.comment(
    `tasks after ${tasksMs.toFixed(0)} ms, workers after ${workersMs.toFixed(0)} ms, ` +
      `${await share()} of ${COUNTERS} after ${(performance.now() - readyMs).toFixed(0)} ms`,
  )

  const chat = Array.from(
    { length: 10 },
    (_, i) => new ChatClient(`${cluster.url}/room/r${i}`, `c${i}`),
  )
  t.teardown(() => {
    for (const one of chat) one.close()
  })
  await Promise.all(chat.map((one) => one.opened()))
  for (let i = 0; i < 5; i++) {
    const moved = await cluster.post(`/api/workers/room/r${i}/move`, { to: 'n3' })
    t.ok(moved.status === 200 || moved.status === 409, JSON.stringify(moved.body))
  }

  cluster.declare(2)
  t.equal(await cluster.exited('n3'), 0, 'a node that is taken out of the map drains and leaves')
  const sentAtLeave = load.sent
  await until('load goes on', () => load.sent > sentAtLeave + PER_SECOND)
  await load.stop()
  t.strictSame(bad, [], 'no request failed')
  const counters = (await cluster.get('/api/workers')).filter((w) => w.class === 'counter')
  t.equal(counters.length, COUNTERS, 'every counter is somewhere')
  for (const one of chat) one.say('still here')
  await until('everyone hears itself', () => chat.every((one) => one.heard.length === 1))
  t.strictSame(
    chat.flatMap((one) => one.faults),
    [],
    'no socket closed',
  )
  if (!t.passing()) t.comment(cluster.logs())
})
