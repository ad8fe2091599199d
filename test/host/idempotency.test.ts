import t, { type Test } from 'tap'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import { type HostProcess, Requester } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'keyed', key: 'k' }
const post = (key: string, init: { path?: string; body?: string } = {}) => ({
  ...init,
  method: 'POST',
  headers: { 'idempotency-key': key },
})
const count = async (host: HostProcess | SpoiledHost): Promise<number> =>
  JSON.parse((await host.request(id)).body) as number

async function spoiled(t: Test): Promise<SpoiledHost> {
  const host = await SpoiledHost.start(t)
  await host.open(id)
  return host
}

const replyNames = async (host: SpoiledHost): Promise<string[]> =>
  (await host.store.load(id))!.sections
    .map(({ name }) => name)
    .filter((name) => name.startsWith('\u0001reply/'))
    .map((name) => name.slice('\u0001reply/'.length))

t.test('a repeated request gets the first reply, whole, and is not run', async (t) => {
  const host = await spoiled(t)
  const first = await host.request(id, post('one', { body: 'hello' }))
  t.match(first, { status: 201, body: '1 hello' })
  t.notOk(first.headers.get('idempotent-replayed'))
  const again = await host.request(id, post('one', { body: 'hello' }))
  t.match(again, { status: 201, body: '1 hello' })
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal(again.headers.get('x-count'), '1')
  t.same(again.headers.getSetCookie(), ['a=1', 'b=2'])
  t.equal(again.headers.get('content-type'), first.headers.get('content-type'))
  t.equal(host.records, 1)
  t.equal(await count(host), 1)
  t.equal((await host.request(id, post('two', { body: 'hello' }))).body, '2 hello')
})

t.test('the same key with another request is refused', async (t) => {
  const host = await spoiled(t)
  await host.request(id, post('one', { body: 'hello' }))
  const others = [
    post('one', { body: 'another' }),
    post('one', { body: 'hello', path: '/?x=1' }),
    { ...post('one', { body: 'hello' }), method: 'PUT' },
  ]
  for (const other of others) {
    t.match(await host.request(id, other), { status: 422, code: 'ARIES_E_KEY_REUSED' })
  }
  t.equal(await count(host), 1)
})

t.test('keys that are none are refused', async (t) => {
  const host = await spoiled(t)
  for (const key of ['', 'x'.repeat(256), 'é']) {
    t.match(await host.request(id, post(key)), { status: 400, code: 'ARIES_E_BAD_REQUEST' })
  }
  t.equal((await host.request(id, post('x'.repeat(255)))).status, 201)
  t.equal(await count(host), 1)
})

t.test('sent many times at once it is run once; the others wait for it', async (t) => {
  const host = await spoiled(t)
  const all = Array.from({ length: 20 }, () => host.request(id, post('one', { path: '/?ms=50' })))
  for (const { status, body } of await Promise.all(all)) t.match({ status, body }, { body: '1 ' })
  t.equal(await count(host), 1)
})

t.test('a turn that throws keeps no reply: sent again, it is run again', async (t) => {
  const host = await spoiled(t)
  for (let i = 0; i < 2; i++) {
    t.equal(
      (await host.request(id, post('one', { path: '/?throw' }))).code,
      'ARIES_E_WORKER_FAILED',
    )
  }
  t.equal(await count(host), 0)
  t.same(await replyNames(host), [])
  t.equal((await host.request(id, post('one'))).body, '1 ', 'the key is free')
})

t.test('a reply that is too large is refused before anything counts', async (t) => {
  const host = await spoiled(t)
  const large = await host.request(id, post('one', { path: '/?bytes=65536' }))
  t.match(large, { status: 500, code: 'ARIES_E_REPLY_TOO_LARGE' })
  t.equal(await count(host), 0)
  t.equal((await host.request(id, post('one', { path: '/?bytes=65000' }))).body.length, 65_000)
  const plain = await host.request(id, { method: 'POST', path: '/?bytes=200000' })
  t.equal(plain.body.length, 200_000, 'only with a key')
})

t.test('replies are bounded by number and age', async (t) => {
  const host = await spoiled(t)
  for (const key of ['a', 'b', 'c', 'd']) await host.request(id, post(key))
  t.same(await replyNames(host), ['b', 'c', 'd'])
  t.equal((await host.request(id, post('b'))).body, '2 ')
  await host.open(id, 1)
  t.equal((await host.request(id, post('b'))).body, '2 ', 'loaded with the worker')
  host.aheadMs = 30_000
  await host.request(id, post('e'))
  t.same(await replyNames(host), ['c', 'd', 'e'], 'the oldest went, also after a load')
  host.aheadMs = 61_000
  t.equal((await host.request(id, post('d'))).body, '6 ', 'too old: run again')
  t.same(await replyNames(host), ['d', 'e'])
})

t.test('a commit whose outcome was unknown: sent again, it gets its reply', async (t) => {
  const host = await spoiled(t)
  host.spoil = 'answers'
  t.equal((await host.request(id, post('one', { body: 'x' }))).code, 'ARIES_E_OUTCOME_UNKNOWN')
  await host.open(id, 1)
  const again = await host.request(id, post('one', { body: 'x' }))
  t.match(again, { status: 201, body: '1 x' })
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal(await count(host), 1)
})

t.test('its author sees nothing of it', async (t) => {
  const host = await spoiled(t)
  const probe = { class: 'probe', key: 'p' }
  await host.open(probe)
  await host.request(probe, post('one', { path: '/?do=set&name=x' }))
  t.equal((await host.request(probe, { path: '/?do=keys' })).body, '["x"]')
  const name = encodeURIComponent('\u0001reply/one')
  t.equal((await host.request(probe, { path: `/?do=get&name=${name}` })).body, 'null')
  const forged = await host.request(probe, { method: 'POST', path: `/?do=set&name=${name}` })
  t.equal(forged.code, 'ARIES_E_WORKER_FAILED')
})

t.test('killed with -9: the reply is where the worker is opened next', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  t.equal((await n1.request(id, post('one'))).body, '1 ')
  await n1.kill()
  await hosts.store.evict('n1', 1)
  await hosts.takeOver(id, 1, 'n2')
  const again = await n2.request(id, post('one'))
  t.equal(again.body, '1 ')
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal(await count(n2), 1)
})

t.test('moved to and fro while clients send everything twice: each key counts once', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  await hosts.create({ class: 'probe', key: 'large' }, 'n1')
  const large = { class: 'probe', key: 'large' }
  await hosts.get('n1').request(large, { path: '/?do=fill&bytes=1000000' })
  const answers = new Map<string, string>()
  const bad: string[] = []
  let stop = false
  const clients = Array.from({ length: 4 }, async (_, client) => {
    const requester = new Requester(hosts.all)
    for (let n = 0; !stop; n++) {
      const key = `${client}/${n}`
      const request = { ...post(key), path: '/?do=touch' }
      const both = await Promise.all([
        requester.request(large, request),
        new Requester(hosts.all).request(large, request),
      ])
      for (const { status, body } of both) if (status !== 200) bad.push(`${status} ${body}`)
      if (both[0].body !== both[1].body) bad.push(`${both[0].body} and ${both[1].body}`)
      answers.set(key, both[0].body)
    }
  })
  for (let i = 0; i < 6; i++) {
    const before = answers.size
    const [from, to] = i % 2 === 0 ? ['n1', 'n2'] : ['n2', 'n1']
    await hosts.get(from!).move(large, hosts.get(to!).address)
    await until('requests after the move', () => answers.size > before + 10)
  }
  stop = true
  await Promise.all(clients)
  t.same(bad, [])
  t.equal(new Set(answers.values()).size, answers.size, 'no value was answered to two keys')
  const n = await new Requester(hosts.all).request(large, {
    path: '/?do=get&name=n',
  } as RequestInit)
  t.equal(Number(n.body), answers.size)
  const early = [...answers][0]!
  const again = await new Requester(hosts.all).request(large, {
    ...post(early[0]),
    path: '/?do=touch',
  } as RequestInit)
  t.equal(again.body, early[1], 'six moves later')
})
