import t from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { asleep } from '../helpers/asleep.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const limits = { sleepAfterMs: 100 }

const idOf = (name: string): WorkerId => ({ class: name, key: 'a b/ä' })

t.test('an alarm wakes its worker, small or not', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  const small = idOf('reminder')
  const large: WorkerId = { class: 'reminder', key: 'large' }
  for (const id of [small, large]) await hosts.create(id, 'n1')
  // Each leaves a reply in the state.
  for (let i = 0; i < 10; i++) {
    await n1.request(large, { method: 'POST', headers: { 'idempotency-key': `k${i}` } })
  }
  for (const id of [small, large]) await n1.request(id, { path: '/?in=8000' })
  await asleep(n1, small, large)
  const { wakes } = n1.stats!
  for (const id of [small, large]) {
    await until('it rang', async () => {
      const loaded = await hosts.store.load(id)
      return loaded?.sections.some(({ name }) => name === 'rang') ?? false
    })
  }
  await asleep(n1, small, large)
  t.equal(n1.stats?.wakes, wakes + 2, 'nobody else woke them')
  const answer = JSON.parse((await n1.request(small)).body) as { rang: number[]; alarm: unknown }
  t.equal(answer.rang.length, 1)
  t.equal(answer.alarm, null)
})

t.test('a class may never sleep', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], {
    limits,
    classOptions: { counter: { readsMax: 1, sleepAfterMs: 0 } },
  })
  const n1 = hosts.get('n1')
  const [awake, other] = [idOf('counter'), idOf('keyed')]
  await hosts.create(awake, 'n1')
  await hosts.create(other, 'n1')
  await asleep(n1, other)
  t.match(n1.stats, { awake: 1, asleep: 1 })
})

t.test('thousands that sleep take little memory', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  await until('a report', () => n1.stats !== undefined)
  const before = n1.stats!.memoryBytes
  const ids = Array.from({ length: 5_000 }, (_, i) => ({ class: 'counter', key: `k${i}` }))
  for (let from = 0; from < ids.length; from += 250) {
    await Promise.all(ids.slice(from, from + 250).map((id) => hosts.create(id, 'n1')))
  }
  await until('all sleep', () => n1.stats!.asleep === ids.length)
  const bytes = (n1.stats!.memoryBytes - before) / ids.length
  t.ok(bytes < 20_000, `${Math.round(bytes)} bytes each, what opening them left behind included`)
  await until('all were told of', () => n1.figures.size === ids.length)
  t.ok([...n1.figures.values()].every((figures) => figures.asleep))
})
