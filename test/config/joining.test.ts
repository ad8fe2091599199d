import t from 'tap'
import { checkJoining, joinProblem } from '../../src/config/joining.ts'
import { loadConfig } from '../../src/config/load.ts'
import { mapSchema } from '../../src/config/schema/map.ts'
import type { NodeEntry } from '../../src/config/schema.ts'

const NODE: NodeEntry = {
  id: 'x1',
  host: '10.0.0.9',
  gossip: 7101,
  data: 7201,
  admin: 7301,
  speed: 1,
}

function mapWith(host: string, change: object = {}) {
  const nodes = [{ id: 'n1', host, gossip: 7101, data: 7201, admin: 7301 }]
  return mapSchema.parse({ cluster: 'test', epoch: 3, nodes, join: {}, ...change })
}

t.test('who may join, and why not', async (t) => {
  const map = mapWith('10.0.0.1')
  t.match(map.join, { max: 16, forgetMs: 600_000 })
  t.equal(joinProblem(map, NODE), undefined)
  for (const [change, words] of [
    [{ id: 'n1' }, 'a member "n1" of its own'],
    [{ host: 'spot.example' }, 'not the IP address'],
    [{ host: '0.0.0.0' }, 'not the IP address'],
    [{ host: '127.0.0.1' }, 'cannot both be reached'],
    [{ host: '10.0.0.1' }, 'port 7101 of 10.0.0.1 is that of n1'],
  ] as const) {
    t.match(joinProblem(map, { ...NODE, ...change }), words)
  }
  t.match(joinProblem(mapWith('10.0.0.1', { join: undefined }), NODE), 'lets nobody join')
  for (const join of [{ max: 0 }, { max: 201 }, { forgetMs: 0 }, { min: 1 }]) {
    t.throws(() => mapWith('10.0.0.1', { join }))
  }
})

t.test('what it needs of the configuration', async (t) => {
  const shipped = await loadConfig('config/aries.yaml', { env: {} })
  const config = { ...shipped, map: mapWith('10.0.0.1'), keys: ['a key of the cluster'] }
  const postgres = { ...config, store: 'postgres://localhost/aries' }
  checkJoining(postgres, NODE)
  const config78 = { code: 'ARIES_E_CONFIG' }
  t.throws(() => checkJoining(config, NODE), { ...config78, message: /SQLite is a file of one/ })
  t.throws(() => checkJoining({ ...postgres, keys: [] }, NODE), {
    ...config78,
    message: /needs the cluster key/,
  })
  const ports = { gossip: 1, data: 2, admin: 3 }
  checkJoining(config, { ...NODE, ...ports, host: '10.0.0.1' })
  const local = { ...config, map: mapWith('127.0.0.1'), keys: [] }
  checkJoining(local, { ...NODE, ...ports, host: '127.0.0.1' })
})
