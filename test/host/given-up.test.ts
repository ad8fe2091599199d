import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Hosts } from '../helpers/two-hosts.ts'

const POST = { method: 'POST' }

const basket = (file: string): ReadonlyMap<string, string> =>
  new Map([['basket', fileURLToPath(new URL(`fixtures/${file}.ts`, import.meta.url))]])

t.test('a turn given up while it migrates never runs, least of all within another', async (t) => {
  const id = { class: 'basket', key: 'b' }
  const hosts = await Hosts.start(t, ['n1'], { classes: basket('basket-1') })
  await hosts.create(id, 'n1')
  await hosts.get('n1').request(id, POST)
  await hosts.store.evict('n1', 1)
  const limits = { requestTimeoutMs: 1_000 }
  const n2 = await hosts.add('n2', { classes: basket('basket-2-slow'), limits })
  // Its turn of `start` is given up in any case.
  await hosts.takeOver(id, 1, 'n2')
  t.equal((await n2.request(id, POST)).status, 504)
  t.equal((await n2.request(id)).status, 200, 'migrated in the turn of another')
  const { sections } = (await hosts.store.load(id))!
  t.same(sections, [], 'what was given up has changed nothing')
})
