import { connect } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { ClusterMap } from '../../src/config/schema.ts'
import { BOOT_AHEAD_MS_MAX, type Claim, VERSION_MAX } from '../../src/gossip/claim.ts'
import { Gossip } from '../../src/gossip/gossip.ts'
import { hashMap } from '../../src/gossip/map-hash.ts'
import { decodePacket } from '../../src/gossip/packet.ts'
import { realWorld } from '../../src/world.ts'
import { freePorts } from '../helpers/ports.ts'
import { until } from '../helpers/until.ts'
import { claim as claimAt, LOAD, mapOf } from './helpers.ts'
import { RawMember } from './raw-member.ts'

const KEYS = ['a cluster key']
const BOOT = Date.now()
const PING = { type: 'ping', seq: 1, target: 'n1' } as const

const claim = (id: string, change: Partial<Claim> = {}): Claim =>
  claimAt(id, { boot: BOOT, ...change })

interface Scene {
  readonly map: ClusterMap
  readonly ports: readonly number[]
  /** A real member, and one that the test speaks for. */
  readonly n1: Gossip
  readonly n2: RawMember
  /** The boot of n1. */
  readonly boot: number
  /** Sends to n1 and waits until it has taken it in. */
  say(bytes: Buffer): Promise<void>
  raw(id: string, port: number, keys?: readonly string[], boot?: number): Promise<RawMember>
}

function start(t: Test, map: ClusterMap, selfId: string): Gossip {
  const components = { log: pino({ level: 'silent' }), world: realWorld }
  const init = { selfId, role: 'node', map, keys: KEYS, preset: 'lan' } as const
  const gossip = new Gossip(components, init)
  t.teardown(() => gossip.stop())
  return gossip
}

/** A map of four, of which n1 runs and n2 has just said that it is alive. */
async function scene(t: Test): Promise<Scene> {
  const ports = await freePorts(5)
  const map = mapOf(4, ports)
  const n1 = start(t, map, 'n1')
  await n1.start()
  const version = { mapEpoch: map.epoch, mapHash: hashMap(map) }
  const raw: Scene['raw'] = (id, port, keys = KEYS, boot = BOOT) =>
    RawMember.at(t, { id, port, keys, boot, map: version })
  const n2 = await raw('n2', ports[1]!)
  const boot = await n2.bootOf('n1', ports[0]!, [claim('n2')])
  const say = async (bytes: Buffer): Promise<void> => {
    const before = n1.counts.received
    n2.send(bytes, ports[0]!)
    await until('it is taken in', () => n1.counts.received > before)
  }
  await say(n2.seal('n1', boot, { claims: [claim('n2')] }))
  t.equal(n1.member('n2')?.state, 'alive')
  return { map, ports, n1, n2, boot, say, raw }
}

t.test('figures that no honest member has are refused, a clock that is ahead is not', async (t) => {
  const { n1, n2, boot, say } = await scene(t)
  await say(n2.seal('n1', boot, { claims: [claim('n3', { version: VERSION_MAX + 1 })] }))
  t.equal(n1.member('n3')?.boot, 0, 'a version beyond all')
  const farAhead = Date.now() + BOOT_AHEAD_MS_MAX + 60_000
  await say(n2.seal('n1', boot, { claims: [claim('n3', { boot: farAhead })] }))
  t.equal(n1.member('n3')?.boot, 0, 'a boot of the day after tomorrow')
  const ahead = Date.now() + 60_000
  await say(n2.seal('n1', boot, { claims: [claim('n3', { boot: ahead })] }))
  t.equal(n1.member('n3')?.boot, ahead)
})

t.test('what is wrong in a claim does not cost its neighbours', async (t) => {
  const { n1, n2, boot, say } = await scene(t)
  const farAhead = Date.now() + 2 * BOOT_AHEAD_MS_MAX
  await say(
    n2.seal('n1', boot, {
      claims: [claim('n3', { boot: farAhead }), claim('stranger'), claim('n4')],
    }),
  )
  t.equal(n1.member('n3')?.boot, 0)
  t.equal(n1.member('stranger'), undefined)
  t.equal(n1.member('n4')?.state, 'alive')
})

t.test('an identity belongs to its address and its key', async (t) => {
  const { n1, n2, boot, ports, say, raw } = await scene(t)
  const elsewhere = await raw('n2', ports[4]!)
  elsewhere.send(elsewhere.seal('n1', boot, { claims: [claim('n3')] }), ports[0]!)
  await until('a second n2 is a stranger', () => n1.counts.strange === 1)
  const n3 = await raw('n3', 0)
  const refused = n1.counts.refused
  await say(n3.seal('n1', boot, { claims: [claim('n3'), claim('n4')] }))
  t.equal(n1.counts.refused, refused + 1, 'n3 does not speak from the address of n2')
  const forger = await raw('n2', 0, ['another key'])
  await say(forger.seal('n1', boot, { claims: [claim('n3')] }))
  t.equal(n1.counts.refused, refused + 2, 'nor is n2 who has another key')
  t.equal(n1.member('n3')?.boot, 0)
  t.equal(n1.member('n4')?.boot, 0)
  t.equal(elsewhere.heard.length + n3.heard.length + forger.heard.length, 0, 'none is answered')
  await say(n2.seal('n1', boot, { claims: [claim('n4')] }))
  t.equal(n1.member('n4')?.state, 'alive', 'n2 itself is heard on')
})

t.test('nobody rewrites what a member says of itself', async (t) => {
  const { n1, n2, boot, say } = await scene(t)
  n1.setMeta({ poolPort: 4_711 })
  n1.setLoad(LOAD)
  const { version } = n1.member('n1')!
  const meta = { ...n1.member('n1')!.meta, poolPort: 666, draining: true }
  for (const state of ['suspect', 'unreachable', 'left'] as const) {
    const { version: now } = n1.member('n1')!
    const lie = claim('n1', { state, boot, version: now, meta, accusers: ['n2'] })
    const loads = [{ id: 'n1', boot, seq: 99, ageMs: 0, urgency: 0, load: { ...LOAD, cpu: 4 } }]
    await say(n2.seal('n1', boot, { claims: [lie], loads }))
    t.match(n1.member('n1'), { state: 'alive', meta: { poolPort: 4_711, draining: false } })
  }
  t.ok(n1.member('n1')!.version > version, 'it goes beyond the lies')
  t.same(n1.member('n1')?.load, LOAD)
})

t.test('a lie about a third member lasts until that hears of it', async (t) => {
  const { map, n1, n2, boot, say } = await scene(t)
  const n3 = start(t, map, 'n3')
  await n3.start()
  await until('they know each other', () => n1.member('n3')?.state === 'alive')
  const { boot: itsBoot, version } = n1.member('n3')!
  await say(
    n2.seal('n1', boot, { claims: [claim('n3', { state: 'left', boot: itsBoot, version })] }),
  )
  t.equal(n1.member('n3')?.state, 'left')
  await until('n3 is back', () => n1.member('n3')?.state === 'alive')
})

t.test('nothing recorded revives anyone', async (t) => {
  const { map, n1, n2, boot, say, raw, ports } = await scene(t)
  const recorded = n2.seal('n1', boot, { claims: [claim('n2', { version: 2 })], probe: PING })
  await say(recorded)
  t.equal(n1.member('n2')?.version, 2)
  n1.reportRefused('n2')
  await until('n2 is gone', () => {
    n1.reportRefused('n2')
    return n1.member('n2')?.state === 'unreachable'
  })
  const heard = n2.heard.length
  const refused = n1.counts.refused
  await say(recorded)
  t.equal(n1.counts.refused, refused + 1)
  t.equal(n1.member('n2')?.state, 'unreachable')

  const reborn = await raw('n2', 0, KEYS, BOOT + 1)
  await say(reborn.seal('n1', boot, { claims: [claim('n2', { boot: BOOT + 1 })] }))
  t.equal(n1.member('n2')?.state, 'alive', 'its next life is believed')
  await say(n2.seal('n1', boot, { claims: [claim('n2', { state: 'left', version: 9 })] }))
  t.match(n1.member('n2'), { state: 'alive', boot: BOOT + 1 }, 'what the old one wrote is not')

  await n1.stop()
  const again = start(t, map, 'n1')
  await again.start()
  n2.send(recorded, ports[0]!)
  await until('the next life of n1 has it too', () => again.counts.received > 0)
  t.equal(again.member('n2')?.boot, 0)
  t.ok(n2.heard.length >= heard)
})

t.test('who has not proved to live gets no more than it sent, and not often', async (t) => {
  const { n1, ports, raw } = await scene(t)
  n1.setLoad(LOAD)
  n1.setMeta({ hostPorts: [1, 2, 3, 4, 5, 6, 7, 8] })
  // Nothing was ever heard of n3: besides answers it gets pings, and few.
  const n3 = await raw('n3', ports[2]!)
  const answers = (): Buffer[] =>
    n3.heard.filter((bytes) => {
      const opened = n3.envelope.open(bytes, 'n1')
      return opened && !decodePacket(opened.payload, 'n3')?.probe
    })
  const claims = ['n3', 'n2', 'n4'].map((id) => claim(id))
  for (const count of [0, 1, 3]) {
    n3.heard.length = 0
    const question = n3.seal('n1', 0, { claims: claims.slice(0, count), probe: PING })
    let heard: Buffer[] = []
    await until('it is answered', () => {
      n3.send(question, ports[0]!)
      heard = answers()
      return heard.length > 0
    })
    for (const { length } of heard) t.ok(length <= question.length, `${length} bytes`)
  }
  const { received, sent } = n1.counts
  for (let i = 0; i < 300; i++)
    n3.send(n3.seal('n1', 0, { probe: PING, sync: { type: 'ask', digest: [0] } }), ports[0]!)
  await until('all are taken in', () => n1.counts.received >= received + 300)
  t.ok(n1.counts.sent - sent < 30, `${n1.counts.sent - sent} datagrams for 300 questions`)
})

t.test('a datagram asks for one answer', async (t) => {
  const { n1, n2, boot, say } = await scene(t)
  const sent = n1.counts.sent
  for (let seq = 0; seq < 50; seq++) {
    await say(n2.seal('n1', boot, { probe: { ...PING, seq }, claims: [claim('n2')] }))
  }
  const gossiped = 15
  t.ok(n1.counts.sent - sent >= 50)
  t.ok(n1.counts.sent - sent <= 50 + gossiped, `${n1.counts.sent - sent} for 50`)
})

t.test(
  'connections from elsewhere are cut off, and take no room from those of members',
  async (t) => {
    const { n1, ports } = await scene(t)
    const { strange } = n1.counts
    const strangers = Array.from({ length: 80 }, () =>
      connect({ port: ports[0]!, host: '127.0.0.1', localAddress: '127.0.0.2' }),
    )
    await Promise.all(
      strangers.map(async (socket) => {
        socket.on('error', () => undefined)
        await new Promise((resolve) => socket.once('close', resolve))
      }),
    )
    t.equal(n1.counts.strange, strange + strangers.length)
    const member = connect({ port: ports[0]!, host: '127.0.0.1' })
    t.teardown(() => member.destroy())
    let closed = false
    member
      .on('error', () => undefined)
      .once('close', () => {
        closed = true
      })
    member.write(Buffer.from([0xff, 0xff, 1, 2, 3]))
    await until('what announces too much is cut off', () => closed)
  },
)

t.test('a flood is not opened, and costs the others nothing', async (t) => {
  const { map, n1, n2, ports } = await scene(t)
  const junk = Buffer.alloc(1_400, 0xa5)
  await until('there is more than one member may send', () => {
    for (let i = 0; i < 500; i++) n2.send(junk, ports[0]!)
    return n1.counts.limited > 1_000
  })
  const n3 = start(t, map, 'n3')
  await n3.start()
  await until('another member is heard meanwhile', () => {
    for (let i = 0; i < 50; i++) n2.send(junk, ports[0]!)
    return n1.member('n3')?.state === 'alive' && n3.member('n1')?.state === 'alive'
  })
  const bad = await RawMember.at(t, {
    id: 'n9',
    port: 0,
    keys: KEYS,
    boot: BOOT,
    map: { mapEpoch: 1, mapHash: hashMap(map) },
  })
  const strange = n1.counts.strange
  for (const bytes of [Buffer.alloc(0), Buffer.from('null'), Buffer.from('"n1"'), junk]) {
    bad.send(bytes, ports[0]!)
    n2.send(bytes, ports[0]!)
  }
  await until('nothing of it counts', () => n1.counts.strange === strange + 4)
  t.equal(bad.heard.length, 0)
})
