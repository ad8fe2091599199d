import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { Hosts } from '../helpers/two-hosts.ts'
import { until } from '../helpers/until.ts'

const counter = { class: 'counter', key: 'k' }
const STANDBY = { counter: { standby: 1 } }

/** A worker on n1 whose standby is on n2. */
async function followed(t: Test, nodes: readonly string[] = ['n1', 'n2']): Promise<Hosts> {
  const hosts = await Hosts.start(t, nodes, { classOptions: STANDBY })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  n1.send({ type: 'standby-hosts', hosts: [n2.address] })
  await hosts.create(counter, 'n1')
  await until('the standby is in step', () => n1.figures.get('counter/k')?.standby === 'n2')
  return hosts
}

async function increment(hosts: Hosts, node: string): Promise<number> {
  const { status, body } = await hosts.get(node).request(counter, { method: 'POST' })
  if (status !== 200) throw new Error(`${status} ${body}`)
  return (JSON.parse(body) as { value: number }).value
}

/** Kills n1 and has n2 claim the worker. */
async function claimed(hosts: Hosts) {
  await hosts.get('n1').kill()
  await hosts.store.evict('n1', await hosts.incarnation('n1'))
  const owner = (await hosts.store.owner(counter))!
  const claim = await hosts.store.claim({
    id: counter,
    fromEpoch: owner.epoch,
    node: 'n2',
    incarnation: await hosts.incarnation('n2'),
    host: 1,
    mode: 'takeover',
  })
  if (!claim.ok) throw new Error(claim.reason)
  return { epoch: claim.epoch, from: { epoch: owner.epoch, seq: claim.seq } }
}

/** What a load would find from now on: nothing. */
function emptyStore(hosts: Hosts): void {
  const db = new DatabaseSync(hosts.url.slice('sqlite:'.length), { timeout: 5_000 })
  db.exec('DELETE FROM aries_sections')
  db.close()
}

t.test('a standby takes over without a load, with all that was acknowledged', async (t) => {
  const hosts = await followed(t)
  for (let value = 1; value <= 50; value++) t.equal(await increment(hosts, 'n1'), value)
  const { epoch, from } = await claimed(hosts)
  emptyStore(hosts)
  await hosts.get('n2').open(counter, epoch, from)
  t.equal(await increment(hosts, 'n2'), 51)
})

t.test('a standby that is behind is of no use: the state is loaded', async (t) => {
  const hosts = await followed(t)
  await increment(hosts, 'n1')
  const { epoch, from } = await claimed(hosts)
  await hosts.get('n2').open(counter, epoch, { ...from, seq: from.seq + 1 })
  t.equal(await increment(hosts, 'n2'), 2)
})

t.test('a standby of an older epoch is of no use', async (t) => {
  const hosts = await followed(t)
  await increment(hosts, 'n1')
  const { epoch, from } = await claimed(hosts)
  await hosts.get('n2').open(counter, epoch, { ...from, epoch: from.epoch + 1 })
  t.equal(await increment(hosts, 'n2'), 2)
})

t.test('where the standby goes another one is made', async (t) => {
  const hosts = await followed(t, ['n1', 'n2', 'n3'])
  const n1 = hosts.get('n1')
  await hosts.get('n2').kill()
  await until('the loss is seen', () => n1.figures.get('counter/k')?.standby === undefined)
  n1.send({ type: 'standby-hosts', hosts: [hosts.get('n3').address] })
  await until('the new one is in step', () => n1.figures.get('counter/k')?.standby === 'n3')
  t.equal(n1.gone.length, 0, 'the worker did not notice')
})

t.test('a node without room is no standby', async (t) => {
  const hosts = await Hosts.start(t, ['n1', 'n2'], { classOptions: STANDBY })
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  n2.refusal = 'no room'
  n1.send({ type: 'standby-hosts', hosts: [n2.address] })
  await hosts.create(counter, 'n1')
  await until('it is asked, and asked again', () => n2.reserved.length > 1)
  t.equal(n1.figures.get('counter/k')?.standby, undefined)
  n2.refusal = undefined
  await until('now there is room', () => n1.figures.get('counter/k')?.standby === 'n2')
})
