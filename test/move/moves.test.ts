import t from 'tap'
import { HostProcess, Requester } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const countOf = (body: string): number => (JSON.parse(body) as { value: number }).value

t.test('moved 20 times under load: the values answered are 1…N, each once', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const id = { class: 'counter', key: 'hot' }
  await hosts.create(id, 'n1')
  const values: number[] = []
  const bad: string[] = []
  let stop = false
  const clients = Array.from({ length: 6 }, async () => {
    const requester = new Requester(hosts.all)
    while (!stop) {
      const answer = await requester.request(id, { method: 'POST' })
      if (answer.status === 200) values.push(countOf(answer.body))
      else bad.push(`${answer.status} ${answer.body}`)
    }
  })
  let carried = 0
  for (let i = 0; i < 20; i++) {
    const before = values.length
    const [from, to] = i % 2 === 0 ? ['n1', 'n2'] : ['n2', 'n1']
    const report = await hosts.get(from!).move(id, hosts.get(to!).address)
    t.match(report, { from, to, fromEpoch: i + 1, toEpoch: i + 2 })
    carried += report.carried
    await until('increments after the move', () => values.length > before + 10)
  }
  stop = true
  await Promise.all(clients)
  t.same(bad, [])
  values.sort((a, b) => a - b)
  t.same(
    values,
    values.map((_, i) => i + 1),
  )
  t.ok(carried > 0, 'requests waited at a source and were answered by a target')
  t.match(await hosts.store.owner(id), { epoch: 21, seq: values.length })
})

t.test('a large state moves whole while it changes', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const id = { class: 'probe', key: 'large' }
  await hosts.create(id, 'n1')
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await n1.request(id, { path: '/?do=fill&bytes=3000000' })
  const before = JSON.parse((await n1.request(id, { path: '/?do=keys' })).body) as string[]
  let last = 0
  let stop = false
  const requester = new Requester(hosts.all)
  const load = (async () => {
    while (!stop) {
      const answer = await requester.request(id, { path: '/?do=touch' } as RequestInit)
      last = Number(answer.body)
    }
  })()
  await until('load', () => last > 3)
  const report = await n1.move(id, n2.address)
  stop = true
  await load
  t.ok(report.bytes > 3_000_000)
  t.same(
    report.phases.map(({ name }) => name),
    ['prepare', 'copy', 'fence', 'commit', 'switch'],
  )
  const after = JSON.parse((await n2.request(id, { path: '/?do=keys' })).body) as string[]
  t.same(new Set(after), new Set([...before, 'n']))
  t.equal((await n2.request(id, { path: '/?do=get&name=n' })).body, String(last))
  t.match(n1.gone.at(-1), { id, why: 'moved', owner: { node: 'n2', epoch: 2 } })
  t.match(n2.arrived, [{ id, epoch: 2 }])
  const late = await n1.request(id, { path: '/?do=get&name=n' })
  t.equal(late.status, 200, 'forwarded')
  t.equal(late.headers.get('aries-node'), 'n2')
  t.match(late.headers.get('aries-owner'), /^n2;127\.0\.0\.1:\d+;2$/)
  const follows = await n1.request(id, { headers: { 'aries-epoch': '1' } })
  t.equal(follows.status, 421, 'who knows of epochs is told where to ask')
  t.equal(follows.headers.get('aries-owner'), late.headers.get('aries-owner'))
  const body = { method: 'POST', body: 'x', headers: { 'aries-epoch': '1' } }
  const sent = await n1.request(id, { ...body, path: '/?do=get&name=n' })
  t.equal(sent.headers.get('aries-node'), 'n2', 'a body is sent on')
  const loop = await n1.request(id, { headers: { 'aries-epoch': '2' } })
  t.equal(loop.status, 421, 'not to an epoch that the sender knows')
})

t.test('a target that refuses, or cannot load the class, leaves all as it was', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const incarnation = await hosts.store.register('n3', 600_000)
  const n3 = await HostProcess.start('n3', { store: hosts.url, incarnation, classes: new Map() })
  hosts.all.push(n3)
  const id = { class: 'counter', key: 'stays' }
  await hosts.create(id, 'n1')
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  n2.refusal = 'n2 is cordoned'
  await t.rejects(n1.move(id, n2.address), {
    code: 'ARIES_E_MOVE_REFUSED',
    message: /n2 is cordoned/,
  })
  await t.rejects(n1.move(id, n3.address), {
    code: 'ARIES_E_MOVE_REFUSED',
    message: /no route declares/,
  })
  await t.rejects(n1.move(id, n1.address), { code: 'ARIES_E_MOVE_REFUSED' })
  await t.rejects(n1.move({ class: 'counter', key: 'unknown' }, n2.address), {
    code: 'ARIES_E_NOT_OWNER',
  })
  const port = n3.port
  await n3.kill()
  await t.rejects(n1.move(id, { node: 'n3', host: '127.0.0.1', port }), {
    code: 'ARIES_E_MOVE_REFUSED',
  })
  t.equal(countOf((await n1.request(id, { method: 'POST' })).body), 1)
  t.match(await hosts.store.owner(id), { node: 'n1', epoch: 1 })
})
