/** Nodes that the map does not have. */
import t from 'tap'
import { Reader } from '../../src/gossip/bytes.ts'
import { type Claim, NO_META } from '../../src/gossip/claim.ts'
import { decodePacket, PacketWriter } from '../../src/gossip/packet.ts'
import { isMinority, quorumOf } from '../../src/gossip/quorum.ts'
import { Bench, BOOT, claim } from './helpers.ts'

const JOIN = { max: 2, forgetMs: 60_000 }

function at(id: string, port: number, change: Partial<Claim> = {}): Claim {
  const ports = { gossipPort: port, dataPort: port + 1, adminPort: port + 2 }
  return claim(id, { place: { id, role: 'node', host: '10.0.0.9', ...ports }, ...change })
}

/** n1 of three nodes that know each other. */
function bench({ join = true } = {}): Bench {
  const made = new Bench(3, {}, 'n1', join ? JOIN : undefined)
  made.handle({ type: 'start' })
  for (const id of ['n2', 'n3']) made.hear(id)
  made.changes = []
  return made
}

t.test('who joins is told to a seed, and by it to all, with its place', async (t) => {
  const made = bench()
  const node = { id: 'x1', host: '10.0.0.9', gossip: 1, data: 2, admin: 3, boot: BOOT }
  made.handle({ type: 'join', node })
  t.same(made.changes, ['x1 unreachable alive'])
  t.match(made.core.member('x1', 0), { joined: true, host: '10.0.0.9', dataPort: 2 })
  const said = made.pass(1_000)
  t.ok(said.some(({ to, packet }) => to === 'x1' && packet.probe?.type === 'ping'))
  const told = said.filter(({ packet }) => packet.claims.some(({ id }) => id === 'x1'))
  const to = new Set(told.map((one) => one.to))
  t.ok(to.has('n2') && to.has('n3'))
  const [first] = told[0]!.packet.claims.filter(({ id }) => id === 'x1')
  t.match(first, { state: 'alive', place: { host: '10.0.0.9', gossipPort: 1, adminPort: 3 } })
})

t.test('a map that lets nobody join', async (t) => {
  const made = bench({ join: false })
  made.hear('n2', { claims: [at('x1', 10)] })
  t.equal(made.core.member('x1', 0), undefined)
})

t.test('no more than the map lets in, and nobody who is gone', async (t) => {
  const made = bench()
  made.hear('n2', { claims: [at('x1', 10), at('x2', 20), at('x3', 30)] })
  t.equal(made.core.member('x2', 0)?.state, 'alive')
  t.equal(made.core.member('x3', 0), undefined, 'two are there')
  made.hear('n2', { claims: [at('x1', 10, { state: 'left', version: 2 })] })
  made.hear('n2', { claims: [at('x4', 40, { state: 'unreachable' })] })
  t.equal(made.core.member('x4', 0), undefined, 'nothing is learnt of the dead')
  made.hear('n2', { claims: [at('x3', 30)] })
  t.equal(made.core.member('x3', 0)?.state, 'alive', 'one has left')
  for (let i = 5; i < 20; i++) {
    const id = `x${i}`
    made.hear('n2', { claims: [at(id, 10 * i)] })
    made.hear('n2', { claims: [at(id, 10 * i, { state: 'left', version: 2 })] })
  }
  t.ok(made.core.sizes.members <= 3 + 2 * JOIN.max, 'those that are gone do not pile up')
})

t.test('one that is dead for long is forgotten, and may come back', async (t) => {
  const made = bench()
  made.hear('n2', { claims: [at('x1', 10)] })
  made.hear('n2', { claims: [at('x1', 10, { state: 'unreachable' })] })
  made.pass(JOIN.forgetMs - 5_000)
  t.equal(made.core.member('x1', made.nowMs)?.state, 'unreachable', 'it is tried')
  made.pass(10_000)
  t.equal(made.core.member('x1', made.nowMs), undefined)
  t.equal(made.changes.at(-1), 'x1 unreachable left')
  made.hear('n2', { claims: [at('x1', 10, { state: 'unreachable' })] })
  t.equal(made.core.member('x1', made.nowMs), undefined, 'not by those who have not forgotten')
  made.hear('n2', { claims: [at('x1', 10, { boot: BOOT + 1 })] })
  t.equal(made.core.member('x1', made.nowMs)?.state, 'alive')
})

t.test(
  'only another life of it is somewhere else, and the map says where its nodes are',
  async (t) => {
    const made = bench()
    made.hear('n2', { claims: [at('x1', 10)] })
    made.hear('n2', { claims: [at('x1', 50, { version: 2 })] })
    t.equal(made.core.member('x1', 0)?.gossipPort, 10)
    made.hear('n2', { claims: [at('x1', 50, { boot: BOOT + 1 })] })
    t.equal(made.core.member('x1', 0)?.gossipPort, 50)
    made.hear('n2', { claims: [at('n3', 50, { boot: BOOT + 1 })] })
    t.equal(made.core.member('n3', 0)?.host, '127.0.0.1')
  },
)

t.test('it has no vote', async (t) => {
  const made = bench()
  made.hear('n2', { claims: [at('x1', 10), at('x2', 20)] })
  t.strictSame(quorumOf(made.core.members(0)), { seen: 3, of: 3 })
  for (const id of ['n2', 'n3']) {
    made.hear('x1', { claims: [claim(id, { state: 'unreachable' })] })
  }
  t.ok(isMinority(quorumOf(made.core.members(0))), 'two that joined make no majority')
})

t.test('the next map: declared, or sent away', async (t) => {
  const made = bench()
  made.hear('n2', { claims: [at('x1', 10), at('x2', 20)] })
  const x1 = { id: 'x1', host: '10.0.0.9', gossip: 10, data: 11, admin: 12, speed: 1 }
  const { join: _, ...rest } = made.map
  const map = { ...rest, epoch: 2, nodes: [...made.map.nodes, x1] }
  made.handle({ type: 'map', map, mapHash: 'ffffffffffffffff' })
  t.notOk(made.core.member('x1', 0)?.joined)
  t.equal(made.core.member('x1', 0)?.state, 'alive')
  t.equal(made.core.member('x2', 0), undefined)
})

t.test('a place travels whole, and only an address is one', async (t) => {
  const writer = new PacketWriter(1_000)
  for (const host of ['10.0.0.9', 'fe80::1', '::ffff:10.0.0.9']) {
    const place = {
      id: 'x1',
      role: 'node',
      host,
      gossipPort: 1,
      dataPort: 2,
      adminPort: 3,
    } as const
    const sent = claim('x1', { place, meta: NO_META })
    writer.begin({}, 1_000)
    writer.claim(sent)
    t.strictSame(decodePacket(writer.finish(), 'n1')?.claims, [sent])
  }
  for (const host of ['evil.example', '', '10.0.0.9 ', 'x'.repeat(46)]) {
    const bytes = Buffer.from(`${String.fromCharCode(host.length)}${host}`, 'latin1')
    t.throws(() => new Reader(bytes).address())
  }
})
