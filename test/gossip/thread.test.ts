import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { ClusterMap } from '../../src/config/schema.ts'
import { Gossip } from '../../src/gossip/gossip.ts'
import { ThreadedGossip } from '../../src/gossip/thread/threaded-gossip.ts'
import type { GossipDriver, MemberChange } from '../../src/gossip/types.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'
import { LOAD, mapOf } from './helpers.ts'

const MEMBER = fileURLToPath(new URL('fixtures/threaded-member.ts', import.meta.url))
const components = { log: pino({ level: 'silent' }), world: realWorld }

const initOf = (map: ClusterMap, selfId: string) =>
  ({ selfId, role: 'node', map, keys: [], preset: 'lan' }) as const

function threaded(t: Test, map: ClusterMap, selfId: string): ThreadedGossip {
  const gossip = new ThreadedGossip(components, initOf(map, selfId))
  t.teardown(() => gossip.stop())
  return gossip
}

function inLoop(t: Test, map: ClusterMap, selfId: string): Gossip {
  const gossip = new Gossip(components, initOf(map, selfId))
  t.teardown(() => gossip.stop())
  return gossip
}

const states = (gossip: GossipDriver): string =>
  gossip
    .members()
    .map(({ id, state }) => `${id} ${state}`)
    .join()

t.test('behind the thread is what is in front of one', async (t) => {
  const map = mapOf(3, await freePorts(3))
  const n1 = threaded(t, map, 'n1')
  const n2 = inLoop(t, map, 'n2')
  t.equal(states(n1), 'n1 alive,n2 unreachable,n3 unreachable', 'before the start')
  n1.setMeta({ poolPort: 4_711 })
  n1.setLoad(LOAD)
  const changes: MemberChange[] = []
  n1.onChange((change) => changes.push(change))
  await Promise.all([n1.start(), n2.start()])
  await until('they see each other', () =>
    [n1, n2].every((each) => states(each) === 'n1 alive,n2 alive,n3 unreachable'),
  )
  t.match(n2.member('n1'), { meta: { poolPort: 4_711 }, load: LOAD }, 'what was told before')
  const [came] = changes.filter(({ member }) => member.id === 'n2')
  t.match(came, { member: { state: 'alive' }, before: 'unreachable' })

  n2.setLoad({ ...LOAD, cpu: 3 })
  n2.setMeta({ hostPorts: [1, 2] })
  await until('loads and metas come through', () => {
    const member = n1.member('n2')
    return member?.load?.cpu === 3 && member.meta.hostPorts.length === 2
  })
  const age = n1.member('n2')!.loadAgeMs
  t.ok(age >= 0 && age < 10_000, `${age} ms old`)
  await until('it grows older', () => n1.member('n2')!.loadAgeMs > age)

  n1.setMeta({ draining: true })
  t.equal(n1.member('n1')?.meta.draining, true, 'of itself it knows at once')
  await until('the others hear it', () => n2.member('n1')?.meta.draining === true)
  t.throws(() => n1.setMeta({ hostPorts: Array.from({ length: 65 }, (_, i) => i) }), RangeError)
  t.throws(() => n1.setMap({ ...map, cluster: 'prod' }), { code: 'ARIES_E_CONFIG' })

  const narrower = { ...map, epoch: 2, nodes: map.nodes.slice(0, 2) }
  n1.setMap(narrower)
  await until('a removed member is told once, and forgotten', () => n1.member('n3') === undefined)
  t.match(changes.at(-1), { member: { id: 'n3', state: 'left' } })
  t.ok(n1.counts.sent > 0 && n1.counts.received > 0)

  await n1.leave()
  t.equal(n2.member('n1')?.state, 'left')
  await n1.stop()
})

t.test('what hinders the start is told, and nothing is left', async (t) => {
  const map = mapOf(2, await freePorts(2))
  const n1 = inLoop(t, map, 'n1')
  await n1.start()
  const taken = threaded(t, map, 'n1')
  await t.rejects(taken.start(), { code: 'ARIES_E_PORT_IN_USE' })
  await taken.stop()
  t.throws(() => threaded(t, map, 'n9'), { code: 'ARIES_E_CONFIG' })
})

t.test('a later life has a greater boot', async (t) => {
  const map = mapOf(2, await freePorts(2))
  const n1 = inLoop(t, map, 'n1')
  await n1.start()
  let before = 0
  for (let life = 0; life < 2; life++) {
    const n2 = threaded(t, map, 'n2')
    await n2.start()
    await until('it is heard', () => n1.member('n2')!.boot > before)
    await until('it is there', () => n1.member('n2')?.state === 'alive')
    before = n1.member('n2')!.boot
    await n2.stop()
  }
})

/** Starts the fixture; `said` waits for one of its messages. */
async function member(t: Test, id: string, map: ClusterMap): Promise<ChildProcess> {
  const child = fork(MEMBER, [id, JSON.stringify(map)], {
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

t.test('a main loop that is blocked for 3 s: suspected by nobody, its lag is told', async (t) => {
  const map = mapOf(3, await freePorts(3))
  const child = await member(t, 'n1', map)
  const others = [inLoop(t, map, 'n2'), inLoop(t, map, 'n3')]
  await Promise.all(others.map((each) => each.start()))
  await until('all see all', () =>
    others.every(
      (each) => states(each) === 'n1 alive,n2 alive,n3 alive' && each.member('n1')?.load,
    ),
  )
  const suspected: MemberChange[] = []
  for (const each of others) {
    each.onChange((change) => {
      if (change.member.id === 'n1' && change.member.state !== 'alive') suspected.push(change)
    })
  }
  const unblocked = once(child, 'message')
  child.send({ block: 3_000 })
  await until('its lag is told while it is blocked', () =>
    others.every((each) => (each.member('n1')?.load?.lagMs ?? 0) >= 2_000),
  )
  await unblocked
  await until('and that it is over', () =>
    others.every((each) => each.member('n1')?.load?.lagMs === LOAD.lagMs),
  )
  t.same(suspected, [])
  const gone = once(child, 'exit')
  child.send({})
  await gone
  t.ok(
    others.every((each) => each.member('n1')?.state === 'left'),
    'it leaves in order',
  )
})
