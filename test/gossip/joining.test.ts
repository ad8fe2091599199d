/** The way in over sockets: the driver of a seed, of another member, and of the one that joins. */
import { pino } from 'pino'
import t from 'tap'
import type { NodeEntry } from '../../src/config/schema.ts'
import { Gossip } from '../../src/gossip/gossip.ts'
import { ThreadedGossip } from '../../src/gossip/thread/threaded-gossip.ts'
import type { GossipDriver } from '../../src/gossip/types.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'
import { LOAD, mapOf } from './helpers.ts'

const components = { log: pino({ level: 'silent' }), world: realWorld }

t.test('who was let in by one is a member to all, until the map lets nobody join', async (t) => {
  const ports = await freePorts(3)
  const map = mapOf(2, ports, 1, { max: 1, forgetMs: 60_000 })
  const init = { role: 'node', map, keys: ['a key of them all'], preset: 'local' } as const
  const entry: NodeEntry = { ...map.nodes[0]!, id: 'x1', gossip: ports[2]! }
  const n1 = new ThreadedGossip(components, { ...init, selfId: 'n1' })
  const n2 = new Gossip(components, { ...init, selfId: 'n2' })
  const x1 = new ThreadedGossip(components, { ...init, selfId: 'x1', joining: entry })
  const all: GossipDriver[] = [n1, n2, x1]
  for (const each of all) t.teardown(() => each.stop())
  for (const each of all) await each.start()
  await until('those of the map see each other', () => n1.member('n2')?.state === 'alive')
  t.equal(n2.member('x1'), undefined)
  t.equal(x1.member('n1')?.state, 'unreachable', 'nobody answers whom nobody knows')

  x1.setLoad(LOAD)
  n1.join({ ...entry, boot: x1.boot })
  await until('all see it, and it sees all', () =>
    all.every((each) => ['n1', 'n2', 'x1'].every((id) => each.member(id)?.state === 'alive')),
  )
  t.match(n2.member('x1'), { joined: true, gossipPort: entry.gossip })
  t.notOk(n2.member('n1')?.joined)
  await until('its load is heard', () => n2.member('x1')?.load?.workers === LOAD.workers)

  const { join: _, ...closed } = map
  for (const each of [n1, n2]) each.setMap({ ...closed, epoch: 2 })
  await until('it is none to anybody', () =>
    [n1, n2].every((each) => each.member('x1') === undefined),
  )
})
