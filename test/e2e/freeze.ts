import type { Test } from 'tap'
import { ChatClient } from '../helpers/chat.ts'
import type { TestCluster } from '../helpers/cluster.ts'
import { until } from '../helpers/until.ts'

const FROZEN = { error: { code: 'ARIES_E_FROZEN' } }
const otherThan = (node: string): string => (node === 'n1' ? 'n2' : 'n1')

/** A frozen worker takes no requests, wherever it lives, until it is thawed. A node is killed, and stays away. */
export async function frozenUntilThawed(t: Test, cluster: TestCluster): Promise<void> {
  const { url } = cluster
  const order = async (worker: string, what: string, body = {}): Promise<void> => {
    const answer = await cluster.post(`/api/workers/${worker}/${what}`, body)
    t.equal(answer.status, 200, `${what} ${worker}: ${JSON.stringify(answer.body)}`)
  }
  const ownerOf = async (worker: string): Promise<string> =>
    ((await cluster.get(`/api/workers/${worker}`)) as { node: string }).node
  const isRefused = async (path: string): Promise<void> => {
    const response = await fetch(`${url}${path}`)
    const body = await response.json()
    t.match({ status: response.status, body }, { status: 503, body: FROZEN })
    t.ok(response.headers.get('retry-after'))
  }

  const client = new ChatClient(`${url}/room/a`, 'ann')
  await client.opened()
  await order('room/a', 'freeze')
  await order('room/a', 'freeze')
  await isRefused('/room/a')
  const late = new ChatClient(`${url}/room/a`, 'late')
  await t.rejects(late.opened(), /503/, 'no new sessions')
  client.say('while frozen')
  const other = otherThan(await ownerOf('room/a'))
  await order('room/a', 'move', { to: other })
  t.equal(await ownerOf('room/a'), other)
  await isRefused('/room/a')
  await until('it is told of', async () => {
    return ((await cluster.get('/api/workers/room/a')) as { frozen?: true }).frozen === true
  })
  t.same(client.heard, [], 'its message waits')

  await fetch(`${url}/reminder/r?in=700`)
  await order('reminder/r', 'freeze')
  const alarmAtMs = performance.now() + 700
  const victim = await ownerOf('reminder/r')
  if ((await ownerOf('room/a')) === victim) {
    await order('room/a', 'move', { to: otherThan(victim) })
  }
  await cluster.kill(victim)
  await until('it has a new owner', async () => (await ownerOf('reminder/r')) !== victim)
  await isRefused('/reminder/r')
  await until('the alarm is long overdue', () => performance.now() > alarmAtMs + 300)
  await isRefused('/reminder/r')
  await order('reminder/r', 'thaw')
  await until('the alarm rings', async () => {
    const answer = await (await fetch(`${url}/reminder/r`)).json()
    return (answer as { rang: number[] }).rang.length === 1
  })

  await order('room/a', 'thaw')
  t.equal((await fetch(`${url}/room/a`)).status, 200)
  await until('the message is heard', () => client.heard.length === 1)
  t.same(client.faults, [])
  client.close()
  t.equal((await cluster.post('/api/workers/room/none/freeze')).status, 404)
}
