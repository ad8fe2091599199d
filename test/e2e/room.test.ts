import t from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const CLIENTS = 50
const MOVES = 10

t.test(
  'a room with 50 WebSockets is moved 10 times: no close, no gap, no repetition',
  async (t) => {
    const cluster = await TestCluster.start()
    t.teardown(() => cluster.stop())
    const clients = Array.from(
      { length: CLIENTS },
      (_, i) => new ChatClient(`${cluster.url}/room/lobby`, `c${i}`),
    )
    t.teardown(() => {
      for (const client of clients) client.close()
    })
    await Promise.all(clients.map((client) => client.opened()))

    let said = 0
    const chatter = setInterval(() => {
      for (let i = 0; i < 2; i++) clients[said % CLIENTS]!.say(`message ${said++}`)
    }, 20)
    t.teardown(() => clearInterval(chatter))

    for (let i = 0; i < MOVES; i++) {
      const heardBefore = clients[0]!.heard.length
      await until('the chat goes on', () => clients[0]!.heard.length > heardBefore + 5)
      const workers = await cluster.get('/api/workers')
      const here = workers.find((w) => w.class === 'room')?.node
      const to = ['n1', 'n2', 'n3'].filter((node) => node !== here)[i % 2]!
      const moved = await cluster.post('/api/workers/room/lobby/move', { to })
      t.equal(moved.status, 200, `move ${i} to ${to}: ${JSON.stringify(moved.body)}`)
    }
    clearInterval(chatter)
    await until('everyone has heard all', () => clients.every((c) => c.heard.length === said))

    t.strictSame(
      clients.flatMap((client) => client.faults),
      [],
      'no socket closes, no gap, no repetition',
    )
    const texts = clients[0]!.heard.map((message) => message.text)
    t.strictSame(
      texts.toSorted(),
      Array.from({ length: said }, (_, n) => `message ${n}`).toSorted(),
      'what was said was heard, each once',
    )
    const history = (await (await fetch(`${cluster.url}/room/lobby`)).json()) as { seq: number }[]
    t.strictSame(
      history.map((message) => message.seq),
      clients[0]!.heard.slice(-100).map((message) => message.seq),
      'GET returns the last 100',
    )
    t.comment(`${said} messages to ${CLIENTS} clients`)
    if (!t.passing()) t.comment(cluster.logs())
  },
)
