import t from 'tap'
import { FakeTarget } from '../helpers/fake-target.ts'
import { Hosts } from '../helpers/two-hosts.ts'

const workers = ['a', 'b', 'c'].map((key) => ({ class: 'probe', key }))

t.test('moves go one after the other over one connection', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'])
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  for (const id of workers) await hosts.create(id, 'n1')
  await n1.request(workers[1]!, { path: '/?do=fill&bytes=300000' })
  const reports = []
  for (const id of workers) reports.push(await n1.move(id, n2.address))
  t.match(
    reports.map(({ bytes }) => bytes > 300_000),
    [false, true, false],
    'each tells of what it sent itself',
  )
  for (const id of workers) t.match(await hosts.store.owner(id), { node: 'n2', epoch: 2 })
  t.equal((await n2.request(workers[2]!, { path: '/?do=touch' })).body, '1')
  t.match(await n2.move(workers[0]!, n1.address), { toEpoch: 3 }, 'and back')
})

t.test('which connection a move goes over', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  const n1 = hosts.get('n1')
  for (const id of workers) await hosts.create(id, 'n1')
  /** What comes on a fence, in turn. */
  const ends = ['committed', 'committed', 'failed', 'committed'] as const
  const cuts = new Set<number>()
  let prepares = 0
  let fences = 0
  const fake = new FakeTarget((message, it, socket) => {
    if (message.type === 'prepare') {
      if (cuts.has(++prepares)) socket.destroy()
      else it.say(socket, { type: 'prepared' })
    } else if (message.type === 'fence') {
      const end = ends[fences++]
      if (end === 'failed') it.say(socket, { type: 'failed', why: 'as asked' })
      else it.say(socket, { type: 'committed', epoch: 2, commitMs: 0 })
    }
  })
  t.teardown(() => fake.stop())
  const to = await fake.start('n2')
  t.match(await n1.move(workers[0]!, to), { toEpoch: 2 })
  t.equal(fake.connections, 1)

  cuts.add(2)
  t.match(await n1.move(workers[1]!, to), { toEpoch: 2 }, 'it was closed just then: another')
  t.equal(fake.connections, 2)

  await t.rejects(n1.move(workers[2]!, to), { code: 'ARIES_E_MOVE_ABORTED' })
  t.equal(fake.connections, 2, 'the one that was kept')
  t.match(await n1.move(workers[2]!, to), { toEpoch: 2 })
  t.equal(fake.connections, 3, 'who gave up is not trusted with another')

  const other = { class: 'probe', key: 'd' }
  await hosts.create(other, 'n1')
  cuts.add(prepares + 1).add(prepares + 2)
  await t.rejects(n1.move(other, to), { code: 'ARIES_E_MOVE_ABORTED' })
  t.equal(fake.connections, 4, 'a new one that is lost is not made again')
  fake.stop()
  await t.rejects(n1.move(other, to), { code: 'ARIES_E_MOVE_REFUSED' }, 'nobody is there')
  t.match(await hosts.store.owner(other), { node: 'n1', epoch: 1 })
})
