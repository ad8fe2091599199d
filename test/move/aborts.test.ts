import t from 'tap'
import { FakeTarget } from '../helpers/fake-target.ts'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const id = { class: 'probe', key: 'w' }

t.test('moves that are given up', async (t) => {
  const hosts = await Hosts.start(t, ['n1'], { move: { fenceTimeoutMs: 150, turnBudgetMs: 60 } })
  const n1 = hosts.get('n1')
  await hosts.create(id, 'n1')
  const touch = async (): Promise<number> => {
    const answer = await n1.request(id, { path: '/?do=touch' })
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
    return Number(answer.body)
  }

  t.test(
    'no answer to the COMMIT: the source takes the worker back, under a new epoch',
    async (t) => {
      const fake = new FakeTarget((message, target, socket) => {
        if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      })
      t.teardown(() => fake.stop())
      const value = await touch()
      const move = n1.move(id, await fake.start('n2'))
      await until('fence', () => fake.heard.includes('fence'))
      const during = touch()
      await t.rejects(move, { code: 'ARIES_E_MOVE_ABORTED', message: /did not say/ })
      t.equal(await during, value + 1, 'what waited is answered')
      t.match(await hosts.store.owner(id), { node: 'n1', epoch: 2 })
      t.equal(await touch(), value + 2)
    },
  )

  t.test('the target claims and dies: the source hands over all the same', async (t) => {
    const other = { class: 'probe', key: 'claimed' }
    await hosts.create(other, 'n1')
    const incarnation = await hosts.store.register('n2', 600_000)
    const fake = new FakeTarget((message, target, socket) => {
      if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      if (message.type !== 'fence') return
      const claim = {
        id: other,
        fromEpoch: 1,
        node: 'n2',
        incarnation,
        host: 1,
        mode: 'handover',
      } as const
      void hosts.store.claim(claim).then(() => fake.stop())
    })
    const address = await fake.start('n2')
    t.match(await n1.move(other, address), { toEpoch: 2 })
    t.match(n1.gone.at(-1), { id: other, why: 'moved', owner: { node: 'n2', epoch: 2 } })
    const answer = await n1.request(other, { method: 'POST', path: '/?do=touch' })
    t.equal(answer.status, 421, 'nobody is there: nothing was applied')
  })

  t.test('the target dies while it is copied to', async (t) => {
    await n1.request(id, { path: '/?do=fill&bytes=2000000' })
    const fake = new FakeTarget((message, target, socket) => {
      if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      if (message.type === 'sections') socket.destroy()
    })
    t.teardown(() => fake.stop())
    const value = await touch()
    await t.rejects(n1.move(id, await fake.start('n2')), { code: 'ARIES_E_MOVE_ABORTED' })
    t.equal(await touch(), value + 1)
    t.match(await hosts.store.owner(id), { node: 'n1', epoch: 2 }, 'the epoch has not changed')
  })

  t.test('a turn longer than the budget: the move waits no longer, the turn goes on', async (t) => {
    const fake = new FakeTarget((message, target, socket) => {
      if (message.type === 'prepare') target.say(socket, { type: 'prepared' })
      if (message.type === 'probe') target.say(socket, { type: 'applied', n: message.n })
    })
    t.teardown(() => fake.stop())
    const slow = n1.request(id, { path: '/?do=sleep&ms=400&name=long' })
    const waiting = touch()
    await t.rejects(n1.move(id, await fake.start('n2')), {
      code: 'ARIES_E_MOVE_ABORTED',
      message: /turn ran on/,
    })
    t.notOk(fake.heard.includes('fence'))
    t.equal((await slow).status, 200)
    t.type(await waiting, 'number')
    t.match(await hosts.store.owner(id), { node: 'n1', epoch: 2 })
  })

  t.test('a target that talks nonsense', async (t) => {
    const fake = new FakeTarget((_message, _target, socket) => {
      socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]))
    })
    t.teardown(() => fake.stop())
    await t.rejects(n1.move(id, await fake.start('n2')), { code: 'ARIES_E_MOVE_ABORTED' })
    t.type(await touch(), 'number')
  })
})
