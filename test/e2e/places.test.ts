import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse, stringify } from 'yaml'
import type { WorkerDetail } from '../../src/rpc.ts'
import { TestCluster } from '../helpers/cluster.ts'
import { Client } from '../helpers/load.ts'
import { until } from '../helpers/until.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url))

const CLASSES = {
  room: { pin: 'n2' },
  mate: { near: { class: 'room' } },
  solo: { spread: true, perNodeMax: 2 },
  guest: { near: { resource: 'photos' }, stay: true },
}

t.test('workers live where their class says, and it is explained', async (t) => {
  const cluster = await TestCluster.start({
    routes: ['mate', 'solo', 'guest'].map((name) => ({
      path: `/${name}/:key`,
      worker: fixture(name),
    })),
    config: { resources: { photos: ['n3'] }, classes: CLASSES },
  })
  t.teardown(() => cluster.stop())
  const client = new Client(cluster.url)
  t.teardown(() => client.close())
  const open = async (worker: string): Promise<string | undefined> => {
    const { status, node, body } = await client.send('GET', `/${worker}`)
    if (status !== 200) t.fail(`${worker}: ${status} ${body}`)
    return node
  }
  const detail = (worker: string) => cluster.get(`/api/workers/${worker}`) as Promise<WorkerDetail>

  /** Opens it; to be far has its price, which the load of a busy machine may outweigh. */
  const openNear = async (worker: string, near: string): Promise<string | undefined> => {
    const at = await open(worker)
    const { chosen, candidates } = (await detail(worker)).decision!
    const places = candidates.map(({ id, place = 0 }) => [id, place > 0.5])
    t.strictSame(
      new Map(places as [string, boolean][]),
      new Map(['n1', 'n2', 'n3'].map((id) => [id, id !== near])),
      `${worker}: no way only from ${near}`,
    )
    const costs = candidates.map(({ marginal, place = 0 }) => marginal + place)
    t.equal(candidates[costs.indexOf(Math.min(...costs))]!.id, chosen, `${worker}: the cheapest`)
    t.equal(at, chosen)
    return at
  }

  const guestsAt: (string | undefined)[] = []
  for (let i = 0; i < 4; i++) {
    t.equal(await open(`room/r${i}`), 'n2', 'pinned')
    await openNear(`mate/r${i}`, 'n2')
    guestsAt.push(await openNear(`guest/g${i}`, 'n3'))
  }
  const pinned = (await detail('room/r0')).decision!
  t.match(
    pinned.candidates.find(({ id }) => id === 'n1'),
    { excluded: 'pinned to n2' },
  )

  const places = { n1: 0, n2: 0, n3: 0 }
  for (let i = 0; i < 6; i++) places[(await open(`solo/s${i}`)) as keyof typeof places]++
  t.strictSame(places, { n1: 2, n2: 2, n3: 2 }, 'apart')
  const full = await client.send('GET', '/solo/s6')
  t.equal(full.status, 503)
  t.match(full.body, /n1: has 2 of at most 2/)

  const move = (worker: string, to: string) => cluster.post(`/api/workers/${worker}/move`, { to })
  t.match(await move('room/r0', 'n1'), {
    status: 409,
    body: {
      error: { code: 'ARIES_E_MOVE_REFUSED', message: /n1 does not take room: pinned to n2/ },
    },
  })
  t.match(await move('guest/g0', 'n1'), { status: 200 }, 'an operator moves what stays')

  // What is pinned elsewhere from now on goes there, and what is near it follows.
  const config = parse(readFileSync(cluster.configFile, 'utf8')) as Record<string, unknown>
  const classes = { ...CLASSES, room: { pin: ['n1'] } }
  writeFileSync(cluster.configFile, stringify({ ...config, classes }))
  await until(
    'rooms and their mates live on n1',
    async () => {
      const workers = await cluster.get('/api/workers')
      const ours = workers.filter(({ class: name }) => name === 'room' || name === 'mate')
      return ours.length === 8 && ours.every(({ node }) => node === 'n1')
    },
    60_000,
  )
  const { decision, earlier } = await detail('room/r0')
  t.match(decision, { why: 'rebalance', by: 'n2', chosen: 'n1' })
  t.match(earlier?.at(-1), { why: 'create', chosen: 'n2' })
  const guests = (await cluster.get('/api/workers?order=name')) as readonly WorkerDetail[]
  t.strictSame(
    guests.filter((one) => one.class === 'guest').map(({ key, node }) => [key, node]),
    guestsAt.map((node, i) => [`g${i}`, i === 0 ? 'n1' : node]),
    'what stays has stayed',
  )
  if (!t.passing()) t.comment(cluster.logs())
})
