import { once } from 'node:events'
import t from 'tap'
import { machineMs } from '../../src/host/vouch.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'counter', key: 'c' }

const countOf = (body: string): number => (JSON.parse(body) as { value: number }).value

t.test('a host dies with its node', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  const { child } = hosts.get('n1')
  const exited = once(child, 'exit')
  child.disconnect()
  await exited
  t.ok(child.exitCode === 0)
})

t.test('shutdown finishes the running turn and exits with 0', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  const n1 = hosts.get('n1')
  const slow = { class: 'probe', key: 'slow' }
  await hosts.create(slow, 'n1')
  const running = n1.request(slow, { path: '/?do=sleep&ms=150' })
  await until('stats', () => (n1.stats?.requests ?? 0) > 0 || n1.stats !== undefined)
  const exited = once(n1.child, 'exit')
  n1.send({ type: 'shutdown' })
  t.equal((await running).status, 200)
  await exited
  t.equal(n1.child.exitCode, 0)
  t.ok((await hosts.store.load(slow))?.sections.some(({ name }) => name === 'x'))
})

t.test('a zombie commits nothing: 421, and it drops the worker', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  t.equal(countOf((await n1.request(id, { method: 'POST' })).body), 1)
  await hosts.store.evict('n1', 1)
  await hosts.takeOver(id, 1, 'n2')
  const answer = await n1.request(id, { method: 'POST' })
  t.equal(answer.status, 421)
  t.equal(answer.headers.get('aries-fault'), 'ARIES_E_NOT_OWNER')
  t.match(n1.gone.at(-1), { id, why: 'fenced' })
  t.equal(countOf((await n2.request(id, { method: 'POST' })).body), 2)
})

t.test(
  'a zombie reads nothing: unless it was vouched for just now, the store is asked',
  async (t) => {
    const hosts = await Hosts.start(t, ['n1', 'n2'])
    const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
    await hosts.create(id, 'n1')
    t.equal(countOf((await n1.request(id, { method: 'POST' })).body), 1)
    const old = machineMs() - 10_000
    n1.send({ type: 'vouch', atMs: old })
    const owned = await n1.request(id)
    t.equal(owned.status, 200, 'a node that nobody evicted goes on')
    t.equal(countOf(owned.body), 1)
    await hosts.store.evict('n1', 1)
    await hosts.takeOver(id, 1, 'n2')
    t.equal(countOf((await n2.request(id, { method: 'POST' })).body), 2)
    t.equal((await n1.request(id)).status, 421, 'the value of before is not answered')
    t.match(n1.gone.at(-1), { id, why: 'fenced' })
  },
)

t.test(
  'a new worker is opened without a look at the store, which decides all the same',
  async (t) => {
    const hosts = await Hosts.start(t, ['n1'])
    const n1 = hosts.get('n1')
    await n1.open(id, 1, { epoch: 0, seq: 0 })
    t.equal((await n1.request(id, { method: 'POST' })).status, 421, 'nobody has claimed it')
    t.match(n1.gone.at(-1), { id, why: 'fenced' })
  },
)

t.test('a fenced host answers for no worker any more', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  n1.send({ type: 'fenced' })
  await until('gone', () => n1.gone.length > 0)
  t.equal((await n1.request(id)).status, 421)
  await t.rejects(n1.open(id, 1), { code: 'ARIES_E_FENCED' })
})

t.test('killed under load: no acknowledged value is lost or answered twice', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  const answered: number[] = []
  let sent = 0
  const clients = Array.from({ length: 8 }, async () => {
    for (;;) {
      sent++
      try {
        const answer = await n1.request(id, { method: 'POST' })
        if (answer.status === 200) answered.push(countOf(answer.body))
      } catch {
        return
      }
    }
  })
  await until('some increments', () => answered.length > 100)
  await n1.kill()
  await Promise.all(clients)
  const highest = Math.max(...answered)
  t.equal(new Set(answered).size, answered.length)

  await hosts.store.evict('n1', 1)
  await hosts.takeOver(id, 1, 'n2')
  const value = countOf((await n2.request(id)).body)
  t.ok(value >= highest, `${value} after ${highest} was acknowledged`)
  t.ok(value <= sent, `${value} of ${sent} sent`)
  t.equal(countOf((await n2.request(id, { method: 'POST' })).body), value + 1)
})
