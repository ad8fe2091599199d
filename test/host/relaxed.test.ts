import { once } from 'node:events'
import t, { type Test } from 'tap'
import { BACKLOG_AGE_MS_MAX, BACKLOG_TURNS_MAX } from '../../src/host/backlog.ts'
import { machineMs } from '../../src/host/vouch.ts'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import { Requester } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const POST = { method: 'POST' }
const a = { class: 'relaxed', key: 'a' }
const b = { class: 'relaxed', key: 'b' }
const strict = { class: 'counter', key: 's' }
const countOf = (body: string): number => (JSON.parse(body) as { value: number }).value

async function start(t: Test): Promise<SpoiledHost> {
  const host = await SpoiledHost.start(t)
  // How old the backlog is must not depend on how fast the test is.
  host.standsMs = performance.now()
  t.teardown(() => {
    host.hold = undefined
    host.spoil = 'nothing'
  })
  return host
}

function gate(host: SpoiledHost): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  host.hold = promise
  return () => {
    host.hold = undefined
    resolve()
  }
}

const seqOf = async (host: SpoiledHost, id = a): Promise<number | undefined> =>
  (await host.store.owner(id))?.seq

t.test('it answers before its commit; a strict one waits', async (t) => {
  const host = await start(t)
  await host.open(a)
  await host.open(strict)
  const open = gate(host)
  for (let i = 1; i <= 20; i++) t.equal(countOf((await host.request(a, POST)).body), i)
  t.equal(countOf((await host.request(a)).body), 20)
  t.equal(await seqOf(host), 0, 'nothing is committed')
  let isAnswered = false
  const waiting = host.request(strict, POST).then((answer) => {
    isAnswered = true
    return answer
  })
  t.equal(countOf((await host.request(a, POST)).body), 21)
  t.notOk(isAnswered)
  open()
  t.equal((await waiting).status, 200)
  await until('all is committed, in order', async () => (await seqOf(host)) === 21)
})

t.test('more than the bound is not answered before its commit', async (t) => {
  const host = await start(t)
  await host.open(a)
  await host.open(b)
  const open = gate(host)
  let answered = 0
  let sent = 0
  const asked: Promise<void>[] = []
  while (sent < BACKLOG_TURNS_MAX + 50) {
    const some = Array.from({ length: 50 }, async () => {
      const { status } = await host.request(a, POST)
      if (status === 200) answered++
    })
    asked.push(...some)
    sent += 50
    if (sent <= BACKLOG_TURNS_MAX) await Promise.all(some)
  }
  t.equal(answered, BACKLOG_TURNS_MAX)
  // Bytes: of another worker, which has turns to spare.
  const large = { ...POST, path: `/?bytes=${5 * 1024 * 1024}` }
  t.equal((await host.request(b, large)).status, 200)
  let isAnswered = false
  const second = host.request(b, large).then(() => (isAnswered = true))
  t.equal((await host.request({ class: 'relaxed', key: 'none' })).status, 421, 'a round later')
  t.equal(answered, BACKLOG_TURNS_MAX, 'the others wait')
  t.notOk(isAnswered)
  open()
  await Promise.all([...asked, second])
  t.equal(answered, sent)
  t.equal(await seqOf(host), sent)
})

for (const spoil of ['everything', 'answers'] as const) {
  t.test(`a lost store (${spoil}): it goes on for a moment, then 503; none is lost`, async (t) => {
    const host = await start(t)
    await host.open(a)
    await host.open(b)
    await host.open(strict)
    host.host.handle({ type: 'vouch', atMs: machineMs() + 60_000 })
    t.equal((await host.request(a, POST)).status, 200)
    host.spoil = spoil
    let done = 1
    for (let i = 0; i < 10; i++) {
      t.equal(countOf((await host.request(a, POST)).body), ++done)
      t.equal((await host.request(b, POST)).status, 200)
    }
    host.spoil = 'everything'
    t.not((await host.request(strict, POST)).status, 200, 'the store is known to be lost')
    t.equal(countOf((await host.request(a, POST)).body), ++done)
    host.aheadMs += 2 * BACKLOG_AGE_MS_MAX
    t.equal((await host.request(a, POST)).code, 'ARIES_E_STORE', 'its oldest turn is too old')
    t.equal(countOf((await host.request(a)).body), done, 'the refused turn is undone')
    t.notOk(
      host.sent.some((message) => message.type === 'gone' && message.id.class === 'relaxed'),
      'it is not dropped',
    )
    host.spoil = 'nothing'
    await until('the store gets what it has not', async () => (await seqOf(host)) === done)
    await until('of both', async () => (await seqOf(host, b)) === 10)
    t.equal(countOf((await host.request(a, POST)).body), done + 1)
    await until('and goes on', async () => (await seqOf(host)) === done + 1)
  })
}

t.test('fenced: what was answered and not committed is gone', async (t) => {
  const host = await start(t)
  await host.open(a)
  t.equal(countOf((await host.request(a, POST)).body), 1)
  await until('committed', async () => (await seqOf(host)) === 1)
  const open = gate(host)
  t.equal(countOf((await host.request(a, POST)).body), 2)
  await host.store.evict('n1', 1)
  const other = await host.store.register('n2', 600_000)
  const claim = { id: a, fromEpoch: 1, node: 'n2', incarnation: other, host: 1 } as const
  t.match(await host.store.claim({ ...claim, mode: 'takeover' }), { ok: true, seq: 1 })
  open()
  await until('dropped', () => host.sent.some((message) => message.type === 'gone'))
  t.match(
    host.sent.find((message) => message.type === 'gone'),
    { id: a, why: 'fenced' },
  )
  t.equal((await host.request(a)).status, 421)
  t.equal((await host.store.owner(a))?.seq, 1, 'none of it was applied')
})

t.test('fenced while it waits for its last commits, the host ends all the same', async (t) => {
  const host = await start(t)
  await host.open(a)
  const open = gate(host)
  t.equal(countOf((await host.request(a, POST)).body), 1)
  let isStopped = false
  const stopped = host.host.stop().then(() => (isStopped = true))
  await until('its port is closed', async () => {
    return await fetch(`http://127.0.0.1:${host.port}`).then(
      () => false,
      () => true,
    )
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.notOk(isStopped, 'not before all is committed, or never will be')
  await host.store.evict('n1', 1)
  open()
  await stopped
})

t.test('refused what it has already, from an attempt that came late: it goes on', async (t) => {
  const host = await start(t)
  await host.open(a)
  host.spoil = 'twice'
  t.equal(countOf((await host.request(a, POST)).body), 1)
  await until('it was sent', () => host.records > 0)
  host.spoil = 'nothing'
  t.equal(countOf((await host.request(a, POST)).body), 2)
  await until('both are there, each once', async () => (await seqOf(host)) === 2)
  t.notOk(host.sent.some((message) => message.type === 'gone'))
})

t.test('refused while more waits to be sent: what waits is not sent twice', async (t) => {
  const host = await start(t)
  await host.open(a)
  const open = gate(host)
  host.spoil = 'twice'
  t.equal(countOf((await host.request(a, POST)).body), 1)
  await until('the first is with the store', () => host.records === 1)
  // These come while it is, and wait for their turn.
  for (let i = 2; i <= 20; i++) t.equal(countOf((await host.request(a, POST)).body), i)
  host.spoil = 'nothing'
  open()
  await until('each is there once', async () => (await seqOf(host)) === 20)
  t.equal(host.records, 20)
  t.notOk(host.sent.some((message) => message.type === 'gone'))
  t.equal(countOf((await host.request(a, POST)).body), 21)
  await until('and it goes on', async () => (await seqOf(host)) === 21)
})

t.test('a node that nobody vouches for answers nothing by itself', async (t) => {
  const host = await start(t)
  await host.open(a)
  host.host.handle({ type: 'vouch', atMs: machineMs() - 10_000 })
  const open = gate(host)
  let isAnswered = false
  const write = host.request(a, POST).then(() => (isAnswered = true))
  await until('the record is with the store', () => host.records === 1)
  t.notOk(isAnswered)
  open()
  await write
})

t.test('an Idempotency-Key and its effect are one record', async (t) => {
  const host = await start(t)
  await host.open(a)
  const open = gate(host)
  const keyed = { ...POST, headers: { 'idempotency-key': 'once' } }
  t.equal(countOf((await host.request(a, keyed)).body), 1)
  const again = await host.request(a, keyed)
  t.equal(again.headers.get('idempotent-replayed'), 'true')
  t.equal(countOf((await host.request(a)).body), 1)
  open()
  await until('one record', async () => (await seqOf(host)) === 1)
})

t.test('moves and a planned end lose nothing', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  await hosts.create(a, 'n1')
  const values: number[] = []
  let stop = false
  const clients = Array.from({ length: 6 }, async () => {
    const requester = new Requester(hosts.all)
    while (!stop) {
      const answer = await requester.request(a, POST)
      t.equal(answer.status, 200)
      values.push(countOf(answer.body))
    }
  })
  for (let i = 0; i < 10; i++) {
    const before = values.length
    const [from, to] = i % 2 === 0 ? ['n1', 'n2'] : ['n2', 'n1']
    await hosts.get(from!).move(a, hosts.get(to!).address)
    await until('increments after the move', () => values.length > before + 20)
  }
  stop = true
  await Promise.all(clients)
  values.sort((x, y) => x - y)
  t.same(
    values,
    values.map((_, i) => i + 1),
    '1…N, each once',
  )
  const n1 = hosts.get('n1')
  const last = await Promise.all(Array.from({ length: 50 }, () => n1.request(a, POST)))
  t.ok(last.every(({ status }) => status === 200))
  const ended = once(n1.child, 'exit')
  n1.send({ type: 'shutdown' })
  await ended
  t.equal((await hosts.store.owner(a))?.seq, values.length + 50)
})

t.test(
  'killed: what is left is what was there at one moment, and no key counts twice',
  async (t) => {
    const hosts = await Hosts.start(t, ['n1', 'n2'])
    await hosts.create(a, 'n1')
    const n1 = hosts.get('n1')
    const acknowledged: number[] = []
    const clients = Array.from({ length: 4 }, async () => {
      for (;;) {
        const answer = await n1.request(a, POST).catch(() => undefined)
        if (!answer) return
        acknowledged.push(countOf(answer.body))
      }
    })
    await until('load', () => acknowledged.length > 300)
    await n1.kill()
    await Promise.all(clients)
    await hosts.store.evict('n1', 1)
    await hosts.takeOver(a, 1, 'n2')
    const left = countOf((await hosts.get('n2').request(a)).body)
    t.equal((await hosts.store.owner(a))?.seq, left, 'a prefix of what was done')
    const lost = Math.max(...acknowledged) - left
    t.ok(lost <= BACKLOG_TURNS_MAX, `${lost} lost`)
  },
)

t.test('a durability that is none is not opened', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  await t.rejects(hosts.create({ class: 'undecided', key: 'x' }, 'n1'), {
    code: 'ARIES_E_WORKER_FAILED',
    message: /undecided\.ts: static durability is neither 'strict' nor 'relaxed'/,
  })
})
