import t, { type Test } from 'tap'
import type { FromHost } from '../../src/host/ipc.ts'
import type { WorkerId } from '../../src/identity.ts'
import type { Store } from '../../src/store/store.ts'
import { FakeTarget } from '../helpers/fake-target.ts'
import { SpoiledHost } from '../helpers/host-in-process.ts'
import { until } from '../helpers/until.ts'

/** A host with a large worker, and the bytes that its state lies in. */
async function hostOf(t: Test, id: WorkerId): Promise<{ host: SpoiledHost; values: Uint8Array[] }> {
  const host = await SpoiledHost.start(t)
  const values: Uint8Array[] = []
  const commit: Store['commit'] = host.store.commit.bind(host.store)
  host.store.commit = async (node, incarnation, records) => {
    for (const { set } of records) values.push(...set.map(({ value }) => value))
    return commit(node, incarnation, records)
  }
  await host.open(id)
  await host.request(id, { path: '/?do=fill&bytes=500000' })
  return { host, values }
}

async function move(host: SpoiledHost, id: WorkerId, to: FakeTarget): Promise<FromHost['type']> {
  const call = 1_000 + host.sent.length
  const address = await to.start('n2')
  host.host.handle({ type: 'move', call, id, to: address })
  const answer = (): FromHost | undefined =>
    host.sent.find((m) => (m.type === 'answer' || m.type === 'failed') && m.call === call)
  await until('the move is over', () => answer() !== undefined)
  return answer()!.type
}

/** One that takes the worker, or gives up at the fence. */
function target(t: Test, last: 'committed' | 'failed'): FakeTarget {
  const fake = new FakeTarget((message, it, socket) => {
    if (message.type === 'prepare') it.say(socket, { type: 'prepared' })
    if (message.type === 'probe') it.say(socket, { type: 'applied', n: message.n })
    if (message.type !== 'fence') return
    if (last === 'failed') it.say(socket, { type: 'failed', why: 'as asked' })
    else it.say(socket, { type: 'committed', epoch: 2, commitMs: 0 })
  })
  t.teardown(() => fake.stop())
  return fake
}

t.test('a worker that left leaves no memory behind', async (t) => {
  const id = { class: 'probe', key: 'large' }
  const { host, values } = await hostOf(t, id)
  t.ok(values.length > 30)
  t.equal(await move(host, id, target(t, 'committed')), 'answer')
  await until('it is given back', () => values.every(({ byteLength }) => byteLength === 0))
})

t.test('what an earlier connection may still have to send stays', async (t) => {
  const id = { class: 'probe', key: 'large' }
  const { host, values } = await hostOf(t, id)
  t.equal(await move(host, id, target(t, 'failed')), 'failed')
  t.ok(
    values.every(({ byteLength }) => byteLength > 0),
    'the worker goes on here',
  )
  t.equal((await host.request(id, { path: '/?do=keys' })).status, 200)
  t.equal(await move(host, id, target(t, 'committed')), 'answer')
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(values.every(({ byteLength }) => byteLength > 0))
})
