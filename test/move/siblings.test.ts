/** Moves between two host processes of one node: node and incarnation do not tell them apart. */
import t from 'tap'
import { FakeTarget } from '../helpers/fake-target.ts'
import { HostProcess } from '../helpers/host-process.ts'
import { Hosts } from '../helpers/two-hosts.ts'

t.test('a worker moves from one host to another of the same node', async (t) => {
  const hosts = await Hosts.start(t, ['n1'])
  const first = hosts.get('n1')
  const incarnation = await hosts.incarnation('n1')
  const second = await HostProcess.start('n1', { store: hosts.url, incarnation, host: 2 })
  t.teardown(() => second.kill())
  const id = { class: 'counter', key: 'a' }
  await hosts.create(id, 'n1')
  await first.request(id, { method: 'POST' })

  t.match(await first.move(id, second.address), { from: 'n1', to: 'n1', toEpoch: 2 })
  t.match(first.gone.at(-1), { why: 'moved', owner: { node: 'n1', port: second.port, epoch: 2 } })
  t.match(second.arrived, [{ id, epoch: 2 }])
  t.match(await hosts.store.owner(id), { node: 'n1', host: 2, epoch: 2 })
  t.match(await first.request(id, { method: 'POST' }), { status: 200, body: /"value":2/ })
  t.match(await second.request(id, { method: 'POST' }), { status: 200, body: /"value":3/ })

  t.test('and never into the host that it lives in', async (t) => {
    await t.rejects(second.move(id, second.address), { code: 'ARIES_E_MOVE_REFUSED' })
    t.match(await second.request(id, { method: 'POST' }), { status: 200, body: /"value":4/ })
  })

  t.test('a sibling that claims and dies has it: the source does not resume', async (t) => {
    const fake = new FakeTarget((message, target, socket) => {
      if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      if (message.type !== 'fence') return
      const claim = {
        id,
        fromEpoch: 2,
        node: 'n1',
        incarnation,
        host: 3,
        mode: 'handover',
      } as const
      void hosts.store.claim(claim).then(() => fake.stop())
    })
    const address = await fake.start('n1')
    t.match(await second.move(id, address), { toEpoch: 3 })
    t.match(second.gone.at(-1), { id, why: 'moved', owner: { node: 'n1', epoch: 3 } })
    t.equal((await second.request(id, { method: 'POST' })).status, 421)
  })
})
