import t from 'tap'
import type { Hosts as NodeHosts } from '../../src/node/hosts.ts'
import { OpenWorkers } from '../../src/node/open-workers.ts'
import type { Ownership } from '../../src/node/ownership.ts'
import { Recovery } from '../../src/node/recovery.ts'
import type { Peers } from '../../src/peers.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeTarget } from '../helpers/fake-target.ts'
import { Hosts } from '../helpers/two-hosts.ts'

t.test(
  'a move given up while its worker is written anew does not bring the old back',
  async (t) => {
    const hosts = await Hosts.start(t, ['n1'])
    const n1 = hosts.get('n1')
    const id = { class: 'counter', key: 'a' }
    await hosts.create(id, 'n1')
    await n1.request(id, { method: 'POST' })
    const { sections } = (await hosts.store.load(id))!
    for (let i = 0; i < 4; i++) await n1.request(id, { method: 'POST' })

    // Between its claim and its record it reads what there was: that takes until the move is over.
    const over = Promise.withResolvers<void>()
    const claimed = Promise.withResolvers<void>()
    const load: Store['load'] = async (of) => {
      claimed.resolve()
      await over.promise
      return hosts.store.load(of)
    }
    const store = new Proxy(hosts.store, {
      get: (target, name) => {
        if (name === 'load') return load
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const incarnation = await hosts.incarnation('n1')
    const host = { id: 1, classVersion: async () => 1 }
    const recovery = new Recovery(
      {
        store,
        open: new OpenWorkers(),
        hosts: { for: async () => host } as unknown as NodeHosts,
        ownership: { whileClosed: (_id: unknown, work: () => unknown) => work() } as Ownership,
        peers: {} as Peers,
      },
      { node: 'n1', incarnation: () => incarnation, refusal: () => undefined },
    )
    let recovering: Promise<unknown> | undefined
    const fake = new FakeTarget((message, target, socket) => {
      if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      if (message.type !== 'fence') return
      const head = { ...id, version: 1, epoch: 1, seq: 1, takenAt: '' }
      recovering = recovery.recover(id, { ...head, sections }, true)
      const giveUp = () => target.say(socket, { type: 'failed', why: 'as asked' })
      void claimed.promise.then(giveUp)
    })
    t.teardown(() => fake.stop())
    await t.rejects(n1.move(id, await fake.start('n2')))
    over.resolve()
    await recovering
    t.match(await hosts.store.owner(id), { epoch: 2, seq: 6 }, 'written')
    t.equal((await n1.request(id)).status, 421, 'nothing is answered from the old state')
  },
)
