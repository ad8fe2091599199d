import type { Test } from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'
import { moveToOther } from './moving.ts'

const CLIENTS = 30
const MOVES = 10

/** A room with WebSockets is moved while they talk: no close, no gap, no repetition. */
export async function moveRoom(t: Test, cluster: TestCluster): Promise<void> {
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
  }, 40)
  t.teardown(() => clearInterval(chatter))

  for (let i = 0; i < MOVES; i++) {
    const heardBefore = clients[0]!.heard.length
    await until('the chat goes on', () => clients[0]!.heard.length > heardBefore + 5)
    const { to, ...moved } = await moveToOther(cluster, 'room/lobby')
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
}
