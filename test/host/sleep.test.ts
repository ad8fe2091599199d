import t from 'tap'
import { formatWorkerId, type WorkerId } from '../../src/identity.ts'
import { asleep } from '../helpers/asleep.ts'
import { CLASSES } from '../helpers/host-process.ts'
import { LinkClient, openFrame } from '../helpers/session-client.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

/** Longer than a slow machine pauses between two steps of a test: nobody sleeps unasked. */
const SLEEP_AFTER_MS = 1_000
const limits = { sleepAfterMs: SLEEP_AFTER_MS }
const DROWSY = new URL('./fixtures/drowsy.ts', import.meta.url).pathname

const idOf = (name: string): WorkerId => ({ class: name, key: 'a b/ä' })

t.test('an idle worker falls asleep, and a request wakes it', async (t) => {
  const classes = new Map([...CLASSES, ['drowsy', DROWSY] as const])
  const hosts = await Hosts.start(t, ['n1'], { limits, classes })
  const n1 = hosts.get('n1')
  const ask = async (id: WorkerId, path = '/'): Promise<unknown> =>
    JSON.parse((await n1.request(id, { path })).body)

  t.test('without an instance, with its state', async (t) => {
    const id = idOf('counter')
    await hosts.create(id, 'n1')
    await n1.request(id, { method: 'POST' })
    await asleep(n1, id)
    t.match(n1.figures.get(formatWorkerId(id)), { seq: 1, sections: 1, epoch: 1 })
    t.match(n1.stats, { awake: 0, asleep: 1 })
    t.match(JSON.parse((await n1.request(id, { method: 'POST' })).body), { value: 2 })
    await until('it is counted', () => n1.stats?.wakes === 1)
    t.equal((await hosts.store.owner(id))?.epoch, 1, 'to wake needs no claim')
  })

  t.test('its stop is a turn, its start that of another instance', async (t) => {
    const id = idOf('drowsy')
    await hosts.create(id, 'n1')
    t.same(await Promise.all([ask(id), ask(id)]), [
      { starts: 1, stops: 0, turns: 1 },
      { starts: 1, stops: 0, turns: 2 },
    ])
    await asleep(n1, id)
    t.same(await ask(id), { starts: 2, stops: 1, turns: 1 })
  })

  t.test('a stop that throws changes nothing, and the worker sleeps', async (t) => {
    const id = idOf('drowsy')
    await ask(id, '/?ms=1')
    await asleep(n1, id)
    t.same(await ask(id, '/?ms=0'), { starts: 3, stops: 1, turns: 1 })
  })

  t.test('what comes while it stops waits, and wakes it', async (t) => {
    const id: WorkerId = { class: 'drowsy', key: 'slow' }
    await hosts.create(id, 'n1')
    await ask(id, '/?ms=4000')
    // Long after it has begun to stop, long before that is done; and sleeping it would say the same.
    await new Promise((resolve) => setTimeout(resolve, 2 * SLEEP_AFTER_MS))
    t.same(await ask(id, '/?ms=0'), { starts: 2, stops: 1, turns: 1 }, 'another instance')
    await asleep(n1, id)
    t.match(await ask(id), { starts: 3, stops: 2 }, 'which sleeps in its turn')
  })

  t.test('a state that is not small is let go of, and loaded again', async (t) => {
    const id = idOf('probe')
    await hosts.create(id, 'n1')
    await n1.request(id, { path: '/?do=fill&bytes=50000' })
    await n1.request(id, { path: '/?do=set&name=x', method: 'POST', body: 'kept' })
    await asleep(n1, id)
    const answers = await Promise.all([
      n1.request(id, { path: '/?do=get&name=x' }),
      n1.request(id, { path: '/?do=touch', method: 'POST', body: 'with a body' }),
    ])
    t.same(
      answers.map(({ status, body }) => [status, body]),
      [
        [200, '"kept"'],
        [200, '1'],
      ],
    )
    t.match(await ask(id, '/?do=started'), 1)
  })

  t.test('a client of a worker that is loaded first is let in', async (t) => {
    const id = idOf('probe')
    const link = await LinkClient.connect(n1.port)
    t.teardown(() => link.close())
    await asleep(n1, id)
    const name = formatWorkerId(id)
    const leave = { type: 'close', sid: 's2', code: 1001, reason: '' } as const
    link.send(openFrame('s1', name), openFrame('s2', name), leave)
    await link.next('accept', 's1')
    link.send({ type: 'message', sid: 's1', n: 1, data: 'hello' })
    t.match(await link.next('message', 's1'), { data: '1:hello' })
    t.same(link.all('accept', 's2'), [], 'who left meanwhile is not')
    const other = idOf('counter')
    await asleep(n1, other)
    t.notOk(n1.figures.get(formatWorkerId(id))?.asleep, 'with a session it stays awake')
    link.send({ type: 'close', sid: 's1', code: 1000, reason: '' })
    await asleep(n1, id)
  })

  t.test('a reply by Idempotency-Key survives', async (t) => {
    const id = idOf('keyed')
    await hosts.create(id, 'n1')
    const send = () =>
      n1.request(id, { method: 'POST', body: 'x', headers: { 'idempotency-key': 'k' } })
    const first = await send()
    await asleep(n1, id)
    const second = await send()
    t.equal(second.headers.get('idempotent-replayed'), 'true')
    t.equal(second.body, first.body)
    t.equal((await n1.request(id)).body, '1', 'applied once')
  })

  t.test('one that is closed while it sleeps is gone, and opens again', async (t) => {
    const id = idOf('counter')
    await asleep(n1, id)
    await n1.close(id)
    t.match(n1.gone.at(-1), { id, why: 'closed' })
    t.equal((await n1.request(id)).status, 421)
    await n1.open(id, 1)
    t.match(JSON.parse((await n1.request(id)).body), { value: 2 })
  })
})
