/** A worker that sleeps, or is about to, while something else begins with it. */
import t from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { asleep } from '../helpers/asleep.ts'
import { FakeTarget } from '../helpers/fake-target.ts'
import { CLASSES, classesOf } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

/** Longer than a slow machine pauses between two steps of a test: nobody sleeps unasked. */
const limits = { sleepAfterMs: 1_000 }
const DROWSY = new URL('./fixtures/drowsy.ts', import.meta.url).pathname
const POST = { method: 'POST' }

t.test('a move that begins while it stops finds it awake to the end', async (t) => {
  const classes = new Map([...CLASSES, ['drowsy', DROWSY] as const])
  const hosts = await Hosts.start(t, ['n1', 'n2'], { limits, classes })
  const n1 = hosts.get('n1')
  const id: WorkerId = { class: 'drowsy', key: 'a' }
  await hosts.create(id, 'n1')
  await n1.request(id, { path: '/?ms=4000' })
  // Its stop is under way: nobody asked for anything since.
  await new Promise((resolve) => setTimeout(resolve, 2 * limits.sleepAfterMs))
  const fake = new FakeTarget((message, target, socket) => {
    if (message.type === 'prepare') {
      void until('stopped', async () => (await hosts.store.owner(id))!.seq > 2).then(() => {
        // What its stop has changed is committed: by now it sleeps, or goes on.
        setTimeout(() => target.say(socket, { type: 'prepared' }), 100)
      })
    }
    if (message.type === 'probe') target.say(socket, { type: 'applied', n: message.n })
    if (message.type === 'fence') void claim(target, socket)
  })
  t.teardown(() => fake.stop())
  const claim = async (target: FakeTarget, socket: Parameters<FakeTarget['say']>[0]) => {
    const incarnation = await hosts.incarnation('n2')
    const by = { id, fromEpoch: 1, node: 'n2', host: 1, incarnation, mode: 'handover' } as const
    t.match(await hosts.store.claim(by), { ok: true })
    target.say(socket, { type: 'committed', epoch: 2, commitMs: 0 })
  }
  t.match(await n1.move(id, await fake.start('n2')), { to: 'n2', toEpoch: 2 })
  t.equal((await n1.request(id)).status, 501, 'the source sends on, and answers nothing itself')
  t.match(n1.gone, [{ id, why: 'moved' }])
})

t.test('an alarm rings in time, though a move was refused in its sleep', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'], { limits })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  const id: WorkerId = { class: 'reminder', key: 'a' }
  await hosts.create(id, 'n1')
  const atMs = Date.now() + 10_000
  const set = await n1.request(id, { ...POST, path: `/?at=${new Date(atMs).toISOString()}` })
  t.equal(set.status, 200)
  await asleep(n1, id)
  // Who wakes from now on stays awake: what sleeps has another clock.
  const classOptions = { reminder: { sleepAfterMs: 0 } }
  n1.send({ type: 'declare', classes: classesOf({ limits, classOptions }) })
  n2.refusal = 'no room'
  await t.rejects(n1.move(id, n2.address), { code: 'ARIES_E_MOVE_REFUSED' })
  t.ok(Date.now() < atMs, 'in time for the test')
  const { seq } = (await hosts.store.owner(id))!
  await until('it rings', async () => (await hosts.store.owner(id))!.seq > seq)
})

t.test('who sleeps with a state that is not small can be frozen', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  const id: WorkerId = { class: 'probe', key: 'large' }
  await hosts.create(id, 'n1')
  await n1.request(id, { path: '/?do=fill&bytes=50000' })
  await asleep(n1, id)
  await n1.freeze(id, true)
  t.equal((await n1.request(id, { path: '/?do=keys' })).status, 503)
})

t.test('to be closed while it wakes, it is open first', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits })
  const n1 = hosts.get('n1')
  const id: WorkerId = { class: 'probe', key: 'large' }
  await hosts.create(id, 'n1')
  await n1.request(id, { path: '/?do=fill&bytes=50000' })
  await asleep(n1, id)
  const asked = n1.request(id, { path: '/?do=keys' })
  // The request may come first or last; once the host says that it is closed, it is.
  await n1.close(id)
  await asked
  await until('its node hears', () => n1.gone.some(({ why }) => why === 'closed'))
  t.equal((await n1.request(id, { path: '/?do=keys' })).status, 421)
})
