import t from 'tap'
import { VERSION_MAX } from '../../src/gossip/claim.ts'
import {
  decodePacket,
  type LoadNews,
  type PacketHead,
  PacketWriter,
} from '../../src/gossip/packet.ts'
import { CLASSES_TOLD_MAX } from '../../src/gossip/types.ts'
import { isClassName } from '../../src/identity.ts'
import { randomInt, seededRandom } from '../../src/world.ts'
import { BOOT, claim, LOAD } from './helpers.ts'

const HEAD: PacketHead = { probe: undefined }
const NEWS: LoadNews = { id: 'n2', boot: BOOT, seq: 300, ageMs: 40, urgency: 3, load: LOAD }
const META = {
  incarnation: 2 ** 40,
  poolPort: 65_535,
  hostPorts: [1, 2, 3],
  cordoned: true,
  draining: false,
}

const SUSPECT = {
  state: 'suspect',
  version: VERSION_MAX,
  accusers: ['n1', 'f1'],
  place: {
    id: 'n-2',
    role: 'node',
    host: '10.0.0.9',
    gossipPort: 1,
    dataPort: 2,
    adminPort: 65_535,
  },
} as const

function sample(): Buffer {
  const writer = new PacketWriter(1_300)
  writer.begin(
    { ...HEAD, probe: { type: 'ask', seq: 5, target: 'n3' }, sync: { type: 'ask', digest: [0] } },
    1_300,
  )
  writer.claim(claim('n1', { meta: META }))
  writer.claim(claim('n-2', SUSPECT))
  writer.load(NEWS)
  return writer.finish()
}

t.test('what was written is read', async (t) => {
  t.same(decodePacket(sample(), 'n9'), {
    ...HEAD,
    probe: { type: 'ask', seq: 5, target: 'n3' },
    answer: undefined,
    sync: { type: 'ask', digest: [0] },
    claims: [claim('n1', { meta: META }), claim('n-2', SUSPECT)],
    loads: [NEWS],
    rows: [],
  })
  const writer = new PacketWriter(100)
  for (const type of ['ack', 'nack'] as const) {
    writer.begin({ ...HEAD, answer: { type, seq: 2 ** 32 - 1 } }, 100)
    t.same(decodePacket(writer.finish(), 'n9')?.answer, { type, seq: 2 ** 32 - 1 })
  }
})

t.test('figures that are none come out as figures', async (t) => {
  const writer = new PacketWriter(500)
  writer.begin(HEAD, 500)
  const load = { ...LOAD, cpu: Number.NaN, lagMs: -1, workers: Number.POSITIVE_INFINITY }
  writer.load({ ...NEWS, load })
  const read = decodePacket(writer.finish(), 'n9')?.loads[0]?.load
  t.match(read, { cpu: 0, lagMs: 0, workers: Number.MAX_SAFE_INTEGER })
})

t.test('what does not fit is left out whole', async (t) => {
  const writer = new PacketWriter(200)
  writer.begin(HEAD, 200)
  let written = 0
  while (writer.claim(claim(`n${written}`, { meta: META }))) written++
  t.ok(written > 2)
  const bytes = writer.finish()
  t.ok(bytes.length <= 200)
  t.equal(decodePacket(bytes, 'n9')?.claims.length, written)
})

t.test('every cut of a packet is refused or is a whole shorter packet', async (t) => {
  const whole = sample()
  const items = new Set<number>()
  for (let length = 0; length < whole.length; length++) {
    const packet = decodePacket(whole.subarray(0, length), 'n9')
    if (packet) items.add(packet.claims.length + packet.loads.length)
  }
  t.same([...items], [0, 1, 2])
})

t.test('random and damaged bytes never throw, and never pass the limits', async (t) => {
  const random = seededRandom(42)
  const whole = sample()
  let read = 0
  for (let round = 0; round < 30_000; round++) {
    const damaged = round % 2 === 0
    const bytes = damaged ? Buffer.from(whole) : Buffer.alloc(randomInt(random, 1_400))
    const hits = damaged ? 1 + randomInt(random, 4) : bytes.length
    for (let hit = 0; hit < hits; hit++) {
      const at = damaged ? randomInt(random, bytes.length) : hit
      bytes[at] = randomInt(random, 256)
    }
    const packet = decodePacket(bytes, 'n9')
    if (!packet) continue
    read++
    for (const { id, boot, version, meta, accusers, place } of packet.claims) {
      if (place && !(place.host.length <= 45 && place.gossipPort > 0)) t.fail(place.host)
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(id) || boot < 1 || version > VERSION_MAX) t.fail(id)
      if (meta.hostPorts.length > 64 || accusers.length > 16) t.fail('too many')
      if (!Number.isSafeInteger(meta.incarnation)) t.fail('incarnation')
    }
    for (const { load, seq } of packet.loads) {
      const { classes, ...figures } = load
      const ofClasses = classes.flatMap((one) => [one.workers, one.cpu, one.stateBytes])
      const all = [seq, ...Object.values(figures), ...ofClasses]
      if (!all.every(Number.isFinite)) t.fail('not finite')
      if (classes.length > CLASSES_TOLD_MAX) t.fail('too many classes')
      if (!classes.every(({ name }) => isClassName(name))) t.fail('a class name')
    }
  }
  t.ok(read > 100, `${read} of the damaged ones are packets still`)
})

t.test('hostile fields are refused', async (t) => {
  const writer = new PacketWriter(300)
  const refused = (change: (bytes: Buffer) => void): boolean => {
    writer.begin(HEAD, 300)
    writer.claim(claim('n1'))
    const bytes = writer.finish()
    change(bytes)
    return decodePacket(bytes, 'n9') === undefined
  }
  const claimAt = 1 + 1
  t.equal(
    refused(() => {}),
    false,
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(1, 0)),
    true,
    'another version',
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(3, 1)),
    true,
    'two probes',
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(12, 1)),
    true,
    'two answers',
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(9, claimAt)),
    true,
    'an unknown item',
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(200, claimAt + 1)),
    true,
    'a long id',
  )
  t.equal(
    refused((bytes) => bytes.write('N', claimAt + 2)),
    true,
    'an id that is none',
  )
  t.equal(
    refused((bytes) => bytes.writeUInt8(4, claimAt + 4)),
    true,
    'an unknown state',
  )
  t.equal(
    refused((bytes) => bytes.writeUIntBE(0, claimAt + 5, 6)),
    true,
    'no boot',
  )
})
