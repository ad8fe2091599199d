import t from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { asleep } from '../helpers/asleep.ts'
import { CLASSES } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

/** Longer than a slow machine pauses between two steps of a test: nobody sleeps unasked. */
const limits = { sleepAfterMs: 1_000 }
const DROWSY = new URL('./fixtures/drowsy.ts', import.meta.url).pathname

const idOf = (name: string): WorkerId => ({ class: name, key: 'a b/ä' })

t.test('a worker moves in its sleep', async (t) => {
  const classes = new Map([...CLASSES, ['drowsy', DROWSY] as const])
  const hosts = await Hosts.start(t, ['n1', 'n2'], { limits, classes })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  const small = idOf('drowsy')
  const large = idOf('probe')
  for (const id of [small, large]) {
    await hosts.create(id, 'n1')
    await n1.request(id, { path: '/?do=fill&bytes=50000' })
  }
  await asleep(n1, small, large)
  const wakes = n1.stats?.wakes
  for (const id of [small, large]) {
    t.match(await n1.move(id, n2.address), { from: 'n1', to: 'n2', toEpoch: 2 })
    t.equal((await n1.request(id)).headers.get('aries-owner')?.includes(`${n2.port}`), true)
  }
  // It may have slept on n2 as well by now.
  const { starts, stops } = JSON.parse((await n2.request(small)).body) as Record<string, number>
  t.ok(stops! >= 1, 'what its stop changed moved along')
  t.equal(starts, stops! + 1)
  t.equal((await n2.request(large, { path: '/?do=keys' })).status, 200)
  t.equal(n1.stats?.wakes, wakes, 'not woken for it')
})

t.test('a refused move leaves it asleep, or lets it fall asleep again', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'], { limits })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  const id = idOf('counter')
  await hosts.create(id, 'n1')
  await n1.request(id, { method: 'POST' })
  await asleep(n1, id)
  n2.refusal = 'no room'
  await t.rejects(n1.move(id, n2.address), { code: 'ARIES_E_MOVE_REFUSED' })
  await asleep(n1, id)
  t.match(JSON.parse((await n1.request(id, { method: 'POST' })).body), { value: 2 })
})

t.test('a fenced host wakes nobody', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'], { limits })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  const small = idOf('counter')
  const large = idOf('probe')
  for (const id of [small, large]) await hosts.create(id, 'n1')
  await n1.request(small, { method: 'POST' })
  await n1.request(large, { path: '/?do=fill&bytes=50000' })
  await asleep(n1, small, large)
  await hosts.store.evict('n1', 1)
  for (const id of [small, large]) await hosts.takeOver(id, 1, 'n2')
  t.match(JSON.parse((await n2.request(small, { method: 'POST' })).body), { value: 2 })

  t.equal((await n1.request(large)).status, 421, 'the store says that it is not here')
  await until('its node hears of it', () => n1.gone.some(({ id }) => id.class === 'probe'))
  t.match(n1.gone.at(-1), { id: large, why: 'fenced' })
  t.equal((await n1.request(small, { method: 'POST' })).status, 421, 'nothing is acknowledged')
  await until('nor remembered', () => n1.gone.some(({ id }) => id.class === 'counter'))
  t.match(JSON.parse((await n2.request(small)).body), { value: 2 })
})

t.test('told that it is fenced, a host forgets who sleeps', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  const id = idOf('counter')
  await hosts.create(id, 'n1')
  await asleep(n1, id)
  n1.send({ type: 'fenced' })
  await until('it forgets', () => n1.stats?.asleep === 0)
  t.equal((await n1.request(id)).status, 421)
})
