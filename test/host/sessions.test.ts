import t from 'tap'
import { LinkClient, LinkPool, SessionClient } from '../helpers/session-client.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const probe = { class: 'probe', key: 'p' }

t.test('sessions of one host', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { limits: { messageBytesMax: 1_000 } })
  const n1 = hosts.get('n1')
  await hosts.create(probe, 'n1')
  await hosts.create({ class: 'counter', key: 'c' }, 'n1')
  const link = await LinkClient.connect(n1.port)
  t.teardown(() => link.close())

  t.test(
    'a message is applied, answered and acknowledged; a repeated one only acknowledged',
    async (t) => {
      link.open('s1', 'probe/p')
      await link.next('accept', 's1')
      link.send({ type: 'message', sid: 's1', n: 1, data: 'a' })
      t.match(await link.next('message', 's1'), { n: 1, data: '1:a' })
      t.match(await link.next('ack', 's1'), { n: 1 })
      link.send({ type: 'message', sid: 's1', n: 1, data: 'a' })
      link.send({ type: 'message', sid: 's1', n: 2, data: 'b' })
      await until('second message', () => link.all('message', 's1').length === 2)
      t.match(link.all('message', 's1')[1], { n: 2, data: '2:b' })
      const state = await hosts.store.load(probe)
      t.equal(state?.seq, 2, 'each applied once, and committed before it was answered')
    },
  )

  t.test('who cannot be served is refused', async (t) => {
    link.open('s2', 'probe/elsewhere')
    t.match(await link.next('refuse', 's2'), { status: 421 })
    link.open('s3', 'counter/c')
    t.match(await link.next('refuse', 's3'), { status: 400 })
    link.send({ type: 'attach', sid: 's4', worker: 'probe/p', seen: 0 })
    t.match(await link.next('refuse', 's4'), { status: 421 })
  })

  t.test(
    'a turn that throws ends its session; the worker may end one; too large ends one',
    async (t) => {
      for (const [sid, data, code] of [
        ['s5', 'throw', 1011],
        ['s6', 'close', 4000],
        ['s7', 'x'.repeat(1_001), 1009],
      ] as const) {
        link.open(sid, 'probe/p')
        await link.next('accept', sid)
        link.send({ type: 'message', sid, n: 1, data })
        t.match(await link.next('close', sid), { code })
      }
    },
  )

  t.test('the worker hears that a client has gone', async (t) => {
    link.open('s8', 'probe/p')
    await link.next('accept', 's8')
    link.send({ type: 'close', sid: 's8', code: 4321, reason: '' })
    const closed = async (): Promise<string> =>
      (await n1.request(probe, { path: '/?do=get&name=closed' })).body
    let last = ''
    await until('webSocketClose', () => {
      void closed().then((body) => (last = body))
      return last === '4321'
    })
    t.equal(last, '4321')
  })

  t.test('a broken link is attached again without a gap or a repetition', async (t) => {
    const first = await LinkClient.connect(n1.port)
    first.open('s9', 'probe/p')
    await first.next('accept', 's9')
    first.send({ type: 'message', sid: 's9', n: 1, data: 'a' })
    const { data } = await first.next('message', 's9')
    first.close()
    const second = await LinkClient.connect(n1.port)
    t.teardown(() => second.close())
    second.send({ type: 'attach', sid: 's9', worker: 'probe/p', seen: 0 })
    t.match(await second.next('message', 's9'), { n: 1, data })
    second.send({ type: 'message', sid: 's9', n: 1, data: 'a' })
    second.send({ type: 'message', sid: 's9', n: 2, data: 'b' })
    await until('next message', () => second.all('message', 's9').length === 2)
    t.equal(second.all('message', 's9')[1]?.n, 2)
  })

  t.test('a link that breaks the protocol is cut, and the host lives on', async (t) => {
    const gap = await LinkClient.connect(n1.port)
    gap.open('s10', 'probe/p')
    await gap.next('accept', 's10')
    gap.send({ type: 'message', sid: 's10', n: 5, data: 'gap' })
    await until('closed after a gap', () => gap.closed)
    const noise = await LinkClient.connect(n1.port)
    noise.raw(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    await until('closed after noise', () => noise.closed)
    t.equal((await n1.request(probe)).status, 200)
  })
})

t.test('a room is moved 10 times while 12 clients chat: no gap, no repetition', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const id = { class: 'room', key: 'r' }
  await hosts.create(id, 'n1')
  const links = new LinkPool()
  t.teardown(() => links.close())
  const clients: SessionClient[] = []
  for (let i = 0; i < 12; i++) {
    const client = new SessionClient(links, `s${i}`, 'room/r')
    clients.push(client)
    await client.open(hosts.get('n1'), `/room/r?from=c${i}`)
  }
  let stop = false
  const chat = (async () => {
    for (let n = 0; !stop; n++) {
      for (const client of clients) client.say(`${client.sid} ${n}`)
      await until('flow', () => clients.every(({ sent, acked }) => sent - acked < 20))
    }
  })()
  const total = (): number => clients.reduce((sum, { sent }) => sum + sent, 0)
  for (let i = 0; i < 10; i++) {
    const before = clients[0]!.seen
    const [from, to] = i % 2 === 0 ? ['n1', 'n2'] : ['n2', 'n1']
    const report = await hosts.get(from!).move(id, hosts.get(to!).address)
    t.equal(report.sessions, 12)
    await until('chat after the move', () => clients[0]!.seen > before + 40)
  }
  stop = true
  await chat
  await until('everyone has everything', () => clients.every(({ seen }) => seen === total()))
  for (const client of clients) {
    t.same(client.faults, [])
    const seqs = client.received.map((text) => (JSON.parse(text) as { seq: number }).seq)
    t.same(
      seqs,
      seqs.map((_, i) => i + 1),
    )
  }
  const texts = clients[0]!.received.map((text) => (JSON.parse(text) as { text: string }).text)
  t.equal(new Set(texts).size, total(), 'each message once')
  const last = JSON.parse((await hosts.get('n1').request(id)).body) as { seq: number }[]
  t.same(
    last.map(({ seq }) => seq),
    Array.from({ length: 100 }, (_, i) => total() - 99 + i),
  )
})
