import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { AriesError } from '../../src/errors.ts'
import { Gossip } from '../../src/gossip/gossip.ts'
import type { LoadVector, MemberChange } from '../../src/gossip/types.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'
import { LOAD, mapOf } from './helpers.ts'

type Map = ReturnType<typeof mapOf>

function gossip(t: Test, map: Map, selfId: string, key = 'secret'): Gossip {
  const components = { log: pino({ level: 'silent' }), world: realWorld }
  const keys = key === '' ? [] : [key]
  const made = new Gossip(components, { selfId, role: 'node', map, keys, preset: 'quick' })
  t.teardown(() => made.stop())
  return made
}

async function cluster(t: Test, map: Map, key = 'secret'): Promise<Gossip[]> {
  const all = map.nodes.map(({ id }) => gossip(t, map, id, key))
  await Promise.all(all.map((each) => each.start()))
  await until('all see all', () => all.every((each) => states(each) === allOf(map, 'alive')))
  return all
}

/** What others pass on is rounded to two-hundredths of the capacity. */
const isAbout = (load: LoadVector | undefined): boolean =>
  load?.cpuCapacity === LOAD.cpuCapacity &&
  load.workers === LOAD.workers &&
  Math.abs(load.cpu - LOAD.cpu) <= LOAD.cpuCapacity / 200

const allOf = (map: Map, state: string): string =>
  map.nodes.map(({ id }) => `${id} ${state}`).join()
const states = (each: Gossip): string =>
  each
    .members()
    .map(({ id, state }) => `${id} ${state}`)
    .join()

for (const key of ['secret', '']) {
  t.test(`five members over UDP, key "${key}"`, async (t) => {
    const map = mapOf(5, await freePorts(5))
    const [n1, n2, n3, n4, n5] = (await cluster(t, map, key)) as [
      Gossip,
      Gossip,
      Gossip,
      Gossip,
      Gossip,
    ]

    n1.setLoad(LOAD)
    const others = [n2, n3, n4, n5]
    await until('all hear a load', () => others.every((each) => isAbout(each.member('n1')?.load)))
    t.ok(n5.member('n1')!.loadAgeMs < 10_000)

    const heard: MemberChange[] = []
    const unsubscribe = n3.onChange((change) => heard.push(change))
    n2.setMeta({ poolPort: 4_711, cordoned: true })
    await until('all hear a meta', () =>
      [n1, n3, n4, n5].every((each) => each.member('n2')?.meta.poolPort === 4_711),
    )
    t.match(heard, [
      { member: { id: 'n2', version: 2, meta: { cordoned: true } }, before: 'alive' },
    ])
    unsubscribe()

    const bootBefore = n1.member('n4')!.boot
    await n4.stop()
    await until('a silent one is unreachable to all', () =>
      [n1, n2, n3, n5].every((each) => each.member('n4')?.state === 'unreachable'),
    )
    const again = gossip(t, map, 'n4', key)
    await again.start()
    await until('it comes back with a larger boot', () =>
      [n1, n2, n3, n5].every((each) => each.member('n4')!.boot > bootBefore),
    )
    await until('and knows all', () => states(again) === allOf(map, 'alive'))

    await n5.leave()
    await until('who leaves has left', () =>
      [n1, n2, n3, again].every((each) => each.member('n5')?.state === 'left'),
    )

    n1.reportRefused('n3')
    await until('the accused refutes', () => n1.member('n3')?.state === 'alive')
    t.ok(n1.member('n3')!.version > 1)
    t.equal(heard.length, 1, 'an unsubscribed listener hears nothing')
  })
}

t.test('a new map at run time', async (t) => {
  const ports = await freePorts(4)
  const map = mapOf(3, ports)
  const [n1, n2, n3] = (await cluster(t, map)) as [Gossip, Gossip, Gossip]
  const wider = mapOf(4, ports, 2)
  const n4 = gossip(t, wider, 'n4')
  await n4.start()
  n1.setMap(wider)
  await until('who has the new map sees the new member', () => n1.member('n4')?.state === 'alive')
  t.equal(n2.member('n4'), undefined)
  n2.setMap(wider)
  n3.setMap(wider)
  await until('then all', () =>
    [n1, n2, n3, n4].every((each) => states(each) === allOf(wider, 'alive')),
  )
  const narrower = { ...wider, epoch: 3, nodes: wider.nodes.filter(({ id }) => id !== 'n2') }
  const left: string[] = []
  n1.onChange(({ member }) => left.push(`${member.id} ${member.state}`))
  n1.setMap(narrower)
  t.same(left, ['n2 left'])
  t.equal(n1.member('n2'), undefined)
  t.throws(() => n1.setMap({ ...map, cluster: 'prod' }), { code: 'ARIES_E_CONFIG' })
})

t.test('another map under the same epoch is noticed', async (t) => {
  const map = mapOf(2, await freePorts(2))
  const n1 = gossip(t, map, 'n1')
  const n2 = gossip(t, { ...map, nodes: map.nodes.map((node) => ({ ...node, speed: 2 })) }, 'n2')
  await Promise.all([n1.start(), n2.start()])
  await until(
    'both notice',
    () => n1.mapCensus().others[0] === 'n2' && n2.mapCensus().others[0] === 'n1',
  )
  n2.setMap(map)
  await until('and are satisfied', () => n1.mapCensus().holders + n2.mapCensus().holders === 4)
})

t.test('a node that leaves with a change of the map is reached until it has left', async (t) => {
  const map = mapOf(3, await freePorts(3))
  const [n1, n2, n3] = (await cluster(t, map)) as [Gossip, Gossip, Gossip]
  const [, , leaving] = map.nodes
  const narrower = { ...map, epoch: 2, nodes: map.nodes.slice(0, 2) }
  n1.setMap(narrower, [leaving!])
  n2.setMap(narrower)
  await until('both hold the same map', () => n1.mapCensus().holders === 2)
  t.same(n1.mapCensus().others, [], 'whoever is leaving is no part of it')
  t.equal(n2.member('n3'), undefined)
  n3.setLoad(LOAD)
  n3.setMeta({ draining: true })
  await until('its news is heard', () => {
    const member = n1.member('n3')
    return member?.meta.draining === true && member.load?.cpu === LOAD.cpu
  })
  await n3.leave()
  await until('it has left', () => n1.member('n3')?.state === 'left')
  n1.setMap(narrower)
  t.equal(n1.member('n3'), undefined)
})

t.test('members with another key do not hear each other', async (t) => {
  const map = mapOf(3, await freePorts(3))
  const n1 = gossip(t, map, 'n1')
  const n2 = gossip(t, map, 'n2')
  const n3 = gossip(t, map, 'n3', 'another')
  await Promise.all([n1.start(), n2.start(), n3.start()])
  await until('the strange one was refused', () => n1.counts.refused > 0 && n2.counts.refused > 0)
  await until('the others hear each other', () => n1.member('n2')?.state === 'alive')
  t.equal(n1.member('n3')?.boot, 0)
  t.equal(n3.member('n1')?.boot, 0)
})

t.test('a stranger gets no answer, whatever it sends', async (t) => {
  const map = mapOf(1, await freePorts(1))
  const n1 = gossip(t, map, 'n1', '')
  await n1.start()
  const stranger = createSocket('udp4')
  t.teardown(() => stranger.close())
  let heard = 0
  stranger.on('message', () => heard++)
  stranger.bind(0, '127.0.0.1')
  await once(stranger, 'listening')
  for (let size = 0; size < 1_400; size += 7) {
    stranger.send(Buffer.alloc(size, size % 256), map.nodes[0]!.gossip, '127.0.0.1')
  }
  await until('nothing was opened', () => n1.counts.strange >= 200)
  t.equal(heard, 0)
  t.equal(n1.counts.sent, 0)
})

t.test('a taken address, a wrong id', async (t) => {
  const map = mapOf(1, await freePorts(1))
  const n1 = gossip(t, map, 'n1')
  await n1.start()
  const { gossip: port } = map.nodes[0]!
  await t.rejects(gossip(t, map, 'n1').start(), {
    code: 'ARIES_E_PORT_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  })
  t.throws(() => gossip(t, map, 'n9'), AriesError)
  await n1.stop()
  await n1.stop()
})
