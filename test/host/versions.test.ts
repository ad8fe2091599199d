import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { WorkerId } from '../../src/identity.ts'
import { Hosts } from '../helpers/two-hosts.ts'

const POST = { method: 'POST' }
const FILES = { n1: 'basket-1', n2: 'basket-2', n3: 'basket-3-broken' } as const

type Node = keyof typeof FILES

const idOf = (key: string): { class: string; key: string } => ({ class: 'basket', key })

/** Hosts on one store: `n1`, `n2` and `n3` have the class in version 1, 2 and broken. */
async function roll(t: Parameters<typeof Hosts.start>[0], ...nodes: Node[]): Promise<Hosts> {
  const hosts = await Hosts.start(t, [])
  const add = (node: Node): Promise<unknown> => {
    const path = fileURLToPath(new URL(`fixtures/${FILES[node]}.ts`, import.meta.url))
    return hosts.add(node, { classes: new Map([['basket', path]]) })
  }
  await Promise.all(nodes.map(add))
  return hosts
}

const stored = async (hosts: Hosts, id: WorkerId): Promise<[version?: number, ...string[]]> => {
  const loaded = await hosts.store.load(id)
  return [loaded!.version, ...loaded!.sections.map(({ name }) => name)]
}

t.test('an older state is migrated before anything else is run, in one commit', async (t) => {
  const hosts = await roll(t, 'n1', 'n2')
  const id = idOf('migrated')
  const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
  await hosts.create(id, 'n1')
  for (let i = 0; i < 2; i++) await n1.request(id, POST)
  t.same(await stored(hosts, id), [1, 'items'])
  await hosts.store.evict('n1', 1)
  await hosts.takeOver(id, 1, 'n2')
  const { body } = await n2.request(id)
  t.same(JSON.parse(body).list, ['from 1', 'egg', 'egg'])
  t.same(JSON.parse(body).started, ['from 1', 'egg', 'egg'], 'start sees the new state')
  t.same(await stored(hosts, id), [2, 'list'])
  const seq = (await hosts.store.owner(id))?.seq
  t.equal(seq, 3, 'one record, also of a turn that only reads')
  await n2.request(id)
  t.equal((await hosts.store.owner(id))?.seq, seq, 'once')
})

t.test('a migrate that throws changes nothing; the error says whose and what', async (t) => {
  const hosts = await roll(t, 'n1', 'n2', 'n3')
  const id = idOf('throws')
  await hosts.create(id, 'n1')
  await hosts.get('n1').request(id, POST)
  await hosts.store.evict('n1', 1)
  await hosts.takeOver(id, 1, 'n3')
  const refused = await hosts.get('n3').request(id)
  t.equal(refused.status, 500)
  t.match(JSON.parse(refused.body), {
    error: {
      code: 'ARIES_E_MIGRATE_FAILED',
      message: /^basket\/throws: .* from version 1 to 3 .*: no idea what to do$/,
    },
  })
  t.same(await stored(hosts, id), [1, 'items'])
  t.equal((await hosts.store.owner(id))?.seq, 1)
  await hosts.store.evict('n3', 1)
  await hosts.takeOver(id, 2, 'n2')
  t.same(JSON.parse((await hosts.get('n2').request(id)).body).list, ['from 1', 'egg'])
})

t.test('a host with an older class does not open a newer state', async (t) => {
  const hosts = await roll(t, 'n1', 'n2')
  const id = idOf('older')
  await hosts.create(id, 'n2')
  await hosts.get('n2').request(id, POST)
  await hosts.store.evict('n2', 1)
  await t.rejects(hosts.takeOver(id, 1, 'n1'), {
    code: 'ARIES_E_CLASS_OLDER',
    message:
      /^basket\/older: its state is of version 2 of its class; the class here has version 1$/,
  })
  t.equal((await hosts.get('n1').request(id)).status, 421)
  t.same(await stored(hosts, id), [2, 'list'])
})

// None of these loses a node: one set of hosts does for all.
t.test('of several versions', async (t) => {
  const hosts = await roll(t, 'n1', 'n2', 'n3')

  await t.test('a new worker has the version of its class and is not migrated', async (t) => {
    const id = idOf('new')
    await hosts.create(id, 'n2')
    t.same(JSON.parse((await hosts.get('n2').request(id, POST)).body).list, ['egg'])
    t.same(await stored(hosts, id), [2, 'list'])
  })

  await t.test(
    'a move to newer code migrates before it claims, and commits that first',
    async (t) => {
      const id = idOf('move')
      const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
      await hosts.create(id, 'n1')
      await n1.request(id, POST)
      const report = await n1.move(id, n2.address)
      t.match(report, { from: 'n1', to: 'n2', toEpoch: 2 })
      const { body } = await n2.request(id, POST)
      t.same(JSON.parse(body).list, ['from 1', 'egg', 'egg'])
      t.same(await stored(hosts, id), [2, 'list'])
      t.match(
        await hosts.store.owner(id),
        { epoch: 2, seq: 3, node: 'n2' },
        'migrated, then the egg',
      )
    },
  )

  await t.test('a move whose migrate fails leaves the worker alive on the old code', async (t) => {
    const id = idOf('failing')
    const [n1, n3] = [hosts.get('n1'), hosts.get('n3')]
    await hosts.create(id, 'n1')
    await n1.request(id, POST)
    const waiting = n1.move(id, n3.address)
    const meanwhile = n1.request(id, POST)
    await t.rejects(waiting, { code: 'ARIES_E_MIGRATE_FAILED', message: /no idea what to do/ })
    t.match(JSON.parse((await meanwhile).body), { version: 1, items: 'egg,egg,' })
    t.match(JSON.parse((await n1.request(id, POST)).body), { version: 1, items: 'egg,egg,egg,' })
    t.same(await stored(hosts, id), [1, 'items'])
  })

  await t.test('a move to older code is refused, and nothing has begun', async (t) => {
    const id = idOf('back')
    const [n1, n2] = [hosts.get('n1'), hosts.get('n2')]
    await hosts.create(id, 'n2')
    await n2.request(id, POST)
    await t.rejects(n2.move(id, n1.address), { code: 'ARIES_E_CLASS_OLDER' })
    t.match(await hosts.store.owner(id), { epoch: 1, node: 'n2' })
    t.equal((await n2.request(id)).status, 200)
  })
})
