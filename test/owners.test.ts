import t from 'tap'
import { AriesError } from '../src/errors.ts'
import type { WorkerId } from '../src/identity.ts'
import { Owners } from '../src/owners.ts'
import type { OwnerAddress } from '../src/wire.ts'
import { realWorld } from '../src/world.ts'
import { until } from './helpers/until.ts'

const ID: WorkerId = { class: 'counter', key: 'a' }
const NAME = 'counter/a'
const owner = (node: string, epoch: number, port = 1): OwnerAddress => ({
  node,
  host: '127.0.0.1',
  port,
  epoch,
})

/** Resolves that the test answers by hand, in order. */
class Desk {
  readonly asked: { suspect: OwnerAddress | undefined }[] = []
  readonly #answers: PromiseWithResolvers<OwnerAddress>[] = []

  readonly resolve = (_id: WorkerId, suspect: OwnerAddress | undefined): Promise<OwnerAddress> => {
    const answer = Promise.withResolvers<OwnerAddress>()
    this.asked.push({ suspect })
    this.#answers.push(answer)
    return answer.promise
  }

  answer(result: OwnerAddress | AriesError): void {
    const answer = this.#answers.shift()!
    if (result instanceof AriesError) answer.reject(result)
    else answer.resolve(result)
  }
}

// The timers of the world keep no process alive; a test waits for some of them alone.
const alive = setInterval(() => {}, 1_000)
t.teardown(() => clearInterval(alive))

function make(limits: { waitingMax?: number; timeoutMs?: number } = {}) {
  const desk = new Desk()
  const owners = new Owners(
    { world: realWorld, resolve: desk.resolve },
    { waitingMax: 100, timeoutMs: 5_000, settings: { waitingMax: 'w', timeoutMs: 't' }, ...limits },
  )
  return { desk, owners }
}

t.test(
  'all who wait for a worker wait for one resolve, and the next finds it cached',
  async (t) => {
    const { desk, owners } = make()
    const waiting = Array.from({ length: 10 }, () => owners.resolve(ID))
    t.equal(desk.asked.length, 1)
    t.equal(owners.stats().waiting, 10)
    desk.answer(owner('n1', 1))
    t.same(await Promise.all(waiting), Array(10).fill(owner('n1', 1)))
    t.same(await owners.resolve(ID), owner('n1', 1))
    t.equal(desk.asked.length, 1)
    t.same(owners.stats(), { owners: 1, waiting: 0, resolves: 1 })
  },
)

t.test('a suspect is told to the node, and not answered from the cache', async (t) => {
  const { desk, owners } = make()
  owners.learn(NAME, owner('n1', 1))
  const waiting = owners.resolve(ID, owner('n1', 1))
  t.same(desk.asked, [{ suspect: owner('n1', 1) }])
  desk.answer(owner('n2', 2))
  t.same(await waiting, owner('n2', 2))
  t.same(await owners.resolve(ID, owner('n1', 1)), owner('n2', 2), 'a later one who suspects n1')
  t.equal(desk.asked.length, 1)
})

t.test('resolving goes on until there is an owner', async (t) => {
  const { desk, owners } = make()
  const waiting = owners.resolve(ID)
  for (let i = 1; i <= 3; i++) {
    desk.answer(new AriesError('ARIES_E_NODE_UNREACHABLE', 'dead'))
    await until('it asks again', () => desk.asked.length === i + 1)
  }
  desk.answer(owner('n2', 2))
  t.same(await waiting, owner('n2', 2))
})

t.test('what trying again does not change is answered at once', async (t) => {
  const { desk, owners } = make()
  const waiting = owners.resolve(ID)
  desk.answer(new AriesError('ARIES_E_CLASS_UNKNOWN', 'no such class'))
  await t.rejects(waiting, { code: 'ARIES_E_CLASS_UNKNOWN' })
})

t.test('each waits its own time, and hears why there was no owner', async (t) => {
  const { desk, owners } = make({ timeoutMs: 500 })
  const first = owners.resolve(ID)
  desk.answer(new AriesError('ARIES_E_NODE_UNREACHABLE', 'n1 is dead'))
  await t.rejects(first, { code: 'ARIES_E_TIMEOUT', message: /500 ms.*n1 is dead/ })
  t.equal(owners.stats().waiting, 0)
  const second = owners.resolve(ID)
  await until('it asks again', () => desk.asked.length === 2)
  desk.answer(owner('n2', 2))
  t.same(await second, owner('n2', 2), 'who came later has time left')
})

t.test('no more may wait than the limit', async (t) => {
  const { desk, owners } = make({ waitingMax: 2 })
  const waiting = [owners.resolve(ID), owners.resolve({ class: 'counter', key: 'b' })]
  await t.rejects(owners.resolve(ID), { code: 'ARIES_E_OVERLOADED' })
  desk.answer(owner('n1', 1))
  desk.answer(owner('n1', 1))
  await Promise.all(waiting)
  t.same(await owners.resolve(ID), owner('n1', 1))
})

t.test('news of an older epoch does not replace newer; a newer one frees who waits', async (t) => {
  const { desk, owners } = make()
  owners.learn(NAME, owner('n2', 5))
  owners.learn(NAME, owner('n1', 4))
  t.same(owners.get(NAME), owner('n2', 5))
  const waiting = owners.resolve(ID, owner('n2', 5))
  owners.learn(NAME, owner('n2', 5))
  t.equal(owners.stats().waiting, 1, 'the suspect itself is no news')
  owners.learn(NAME, owner('n3', 6))
  t.same(await waiting, owner('n3', 6))
  desk.answer(owner('n3', 6))
})

t.test('only the owner that is meant is forgotten', async (t) => {
  const { owners } = make()
  owners.learn(NAME, owner('n1', 1, 7))
  owners.forget(NAME, owner('n1', 1, 8))
  t.ok(owners.get(NAME))
  owners.forget(NAME, owner('n1', 1, 7))
  t.notOk(owners.get(NAME))
})

t.test('the cache is bounded, and keeps what is used', async (t) => {
  const { owners } = make()
  for (let i = 0; i < 200_000; i++) {
    owners.learn(`counter/${i}`, owner('n1', 1))
    if (i % 1_000 === 0) owners.get('counter/0')
  }
  t.ok(owners.stats().owners <= 100_000)
  t.ok(owners.get('counter/0'))
  t.ok(owners.get('counter/199999'))
  t.notOk(owners.get('counter/1'))
})

t.test('close frees all who wait', async (t) => {
  const { desk, owners } = make()
  const waiting = owners.resolve(ID)
  owners.close()
  await t.rejects(waiting, { code: 'ARIES_E_NO_TARGET' })
  await t.rejects(owners.resolve(ID), { code: 'ARIES_E_NO_TARGET' })
  t.equal(desk.asked.length, 1)
})
