import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { restartNote } from '../../src/config/restart.ts'

t.test('what only a restart brings into force is told, the rest is not', async (t) => {
  const config = await loadConfig(
    fileURLToPath(new URL('../../config/aries.yaml', import.meta.url)),
  )
  t.equal(restartNote('node', 'n1', config, config), undefined)
  const pool = { ...config, pool: { ...config.pool, taskTimeoutMs: 1 } }
  t.match(restartNote('node', 'n1', config, pool), /restart of this node: pool$/)
  t.equal(restartNote('front', 'f1', config, pool), undefined)
  const host = { ...config, host: { ...config.host, queueMax: 1, requestTimeoutMs: 2 } }
  t.equal(restartNote('node', 'n1', config, host), undefined, 'classes take these while they run')
  const heap = { ...config, host: { ...config.host, memoryMb: 100 } }
  t.match(restartNote('node', 'n1', config, heap), /restart of this node: host$/)
  const routes = { ...config, routes: config.routes.slice(1) }
  t.equal(restartNote('node', 'n1', config, routes), undefined)
  t.equal(restartNote('front', 'f1', config, routes), undefined)
  const shards = { ...config, front: { ...config.front, shards: 7 } }
  t.match(restartNote('front', 'f1', config, shards), /front\.shards/)
  const nodes = config.map.nodes.map((node) => (node.id === 'n1' ? { ...node, data: 1 } : node))
  const moved = { ...config, map: { ...config.map, nodes } }
  t.match(restartNote('node', 'n1', config, moved), /its entry in the map/)
  t.equal(restartNote('node', 'n2', config, moved), undefined)
})
