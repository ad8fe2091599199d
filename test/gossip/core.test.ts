import t from 'tap'
import type { GossipTimes } from '../../src/gossip/presets.ts'
import { Bench, BOOT, claim, LOAD, mapOf, type Said } from './helpers.ts'

const probes = (said: readonly Said[], type: 'ping' | 'ask'): Said[] =>
  said.filter(({ stream, packet }) => packet.probe?.type === type && !stream)
const answers = (said: readonly Said[]): string[] =>
  said.flatMap(({ to, packet }) => (packet.answer ? [`${packet.answer.type} to ${to}`] : []))

/** Lets time pass while all but `silent` answer; returns all that was said. */
function passAnswered(made: Bench, durationMs: number, silent: readonly string[]): Said[] {
  const said: Said[] = []
  for (const untilMs = made.nowMs + durationMs; made.nowMs < untilMs; ) {
    const now = made.pass(1)
    said.push(...now)
    for (const { to, packet } of now) {
      if (!packet.probe || silent.includes(to)) continue
      const type = silent.includes(packet.probe.target) ? 'nack' : 'ack'
      said.push(...made.hear(to, { answer: { type, seq: packet.probe.seq } }))
    }
  }
  return said
}

/** n1 that knows all the others as alive and has had its start. */
function bench(members: number, times: Partial<GossipTimes> = {}): Bench {
  const made = new Bench(members, times)
  made.handle({ type: 'start' })
  for (let i = 2; i <= members; i++) made.hear(`n${i}`)
  made.changes = []
  return made
}

t.test('a start greets everybody, and asks the first that answer for their tables', async (t) => {
  const made = new Bench(5)
  const greeted = made.handle({ type: 'start' })
  t.same(
    greeted
      .filter(({ stream }) => !stream)
      .map(({ to }) => to)
      .toSorted(),
    ['n2', 'n3', 'n4', 'n5'],
  )
  t.ok(greeted.every(({ toBoot }) => toBoot === 0))
  const asked = ['n2', 'n3', 'n4', 'n5'].map((id) => made.hear(id).some((s) => s.packet.sync))
  t.same(asked, [true, true, true, false])
})

t.test('a ping is answered with an ack, once, to the place of its sender', async (t) => {
  const made = bench(3)
  const said = made.hear('n2', { probe: { type: 'ping', seq: 77, target: 'n1' } })
  t.same(answers(said), ['ack to n2'])
  t.equal(said.find(({ packet }) => packet.answer)?.packet.answer?.seq, 77)
})

t.test('a member that answers stays; each is probed before any is probed twice', async (t) => {
  const made = bench(5)
  const probed: string[] = []
  while (probed.length < 8) {
    for (const { to, packet } of probes(made.pass(made.times.probeTimeoutMs - 1), 'ping')) {
      probed.push(to)
      made.hear(to, { answer: { type: 'ack', seq: packet.probe!.seq } })
    }
  }
  t.same(probed.slice(0, 4).toSorted(), ['n2', 'n3', 'n4', 'n5'])
  t.same(probed.slice(4, 8).toSorted(), ['n2', 'n3', 'n4', 'n5'])
  t.same(made.changes, [])
})

t.test('who is heard from is not probed', async (t) => {
  const made = bench(3)
  const probed = new Set<string>()
  for (let round = 0; round < 20; round++) {
    made.hear('n2')
    for (const { to, packet } of probes(made.pass(50), 'ping')) {
      probed.add(to)
      made.hear(to, { answer: { type: 'ack', seq: packet.probe!.seq } })
    }
  }
  t.same([...probed], ['n3'])
  t.same(made.changes, [])
})

t.test('a silent one: others are asked, then it is suspect, then unreachable', async (t) => {
  const made = bench(4)
  const said = passAnswered(made, 800, ['n2'])
  t.same(made.changes, ['n2 alive suspect', 'n2 suspect unreachable'])
  const accusation = said.filter(({ to, packet }) =>
    packet.claims.some(({ id, state }) => to === 'n2' && id === 'n2' && state === 'suspect'),
  )
  t.ok(accusation.length > 0, 'the accused hears it')
})

/** The first probe that got no direct answer: the helpers asked, and its target. */
function firstAsked(made: Bench): { asks: Said[]; target: string; seq: number } {
  for (;;) {
    const asks = probes(made.pass(5), 'ask')
    const probe = asks[0]?.packet.probe
    if (probe) return { asks, target: probe.target, seq: probe.seq }
  }
}

t.test('an ack that a helper got is as good; an ack of anybody else is not', async (t) => {
  const suspected = (answer: (made: Bench, asked: ReturnType<typeof firstAsked>) => void) => {
    const made = bench(6, { probesPerRound: 1 })
    const asked = firstAsked(made)
    answer(made, asked)
    made.pass(made.times.probeIntervalMs - made.times.probeTimeoutMs)
    return made.changes.includes(`${asked.target} alive suspect`)
  }
  t.equal(
    suspected(() => {}),
    true,
    'no answer',
  )
  const helped = suspected((made, { asks, seq }) => {
    made.hear(asks[1]!.to, { answer: { type: 'ack', seq } })
  })
  t.equal(helped, false, 'a helper')
  const late = suspected((made, { target, seq }) => {
    made.hear(target, { answer: { type: 'ack', seq } })
  })
  t.equal(late, false, 'the target itself, late')
  const other = suspected((made, { asks, target, seq }) => {
    const idle = made.map.nodes.filter(
      ({ id }) => id !== 'n1' && id !== target && asks.every(({ to }) => to !== id),
    )
    made.hear(idle[0]!.id, { answer: { type: 'ack', seq } })
    made.hear(asks[0]!.to, { answer: { type: 'ack', seq: seq + 99 } })
  })
  t.equal(other, true, 'who was not asked, or answers something else')
  const reborn = suspected((made, { target, seq }) => {
    made.hear(target, { answer: { type: 'ack', seq }, claims: [] }, BOOT + 1)
  })
  t.equal(reborn, true, 'another life of the target')
})

t.test('helpers that say that they got no answer show that we are not the sick one', async (t) => {
  const health = (nacks: number): number => {
    const made = bench(5, { probesPerRound: 1 })
    const { asks, seq } = firstAsked(made)
    for (const { to } of asks.slice(0, nacks)) {
      made.hear(to, { answer: { type: 'nack', seq } })
      made.hear(to, { answer: { type: 'nack', seq } })
    }
    made.pass(made.times.probeIntervalMs - made.times.probeTimeoutMs)
    return made.core.awareness
  }
  t.same([3, 2, 1, 0].map(health), [0, 1, 2, 3])
})

t.test(
  'as a helper: pings in their stead, says no at 80 %, still passes a late ack on',
  async (t) => {
    const made = bench(3)
    const said = made.hear('n2', { probe: { type: 'ask', seq: 9, target: 'n3' } })
    t.same(answers(said), [])
    const ping = probes(said, 'ping')[0]!
    t.equal(ping.to, 'n3')
    t.notSame(ping.packet.probe?.seq, 9)
    const { probeIntervalMs, probeTimeoutMs } = made.times
    const nackMs = 0.8 * (probeIntervalMs - probeTimeoutMs)
    t.same(answers(made.pass(nackMs - 1)), [])
    t.same(answers(made.pass(1)), ['nack to n2'])
    const late = made.hear('n3', { answer: { type: 'ack', seq: ping.packet.probe!.seq } })
    t.same(answers(late), ['ack to n2'])
    t.same(answers(made.hear('n3', { answer: { type: 'ack', seq: ping.packet.probe!.seq } })), [])
  },
)

t.test('nobody can make it ping itself, the asker or a stranger', async (t) => {
  const made = bench(3)
  for (const target of ['n1', 'n2', 'x1']) {
    const said = made.hear('n2', { probe: { type: 'ask', seq: 9, target } })
    t.same(probes(said, 'ping'), [], target)
  }
})

t.test('a confirmed suspicion ends sooner', async (t) => {
  const accused = (accusers: string[]): number => {
    const made = bench(6)
    made.hear('n2', { claims: [claim('n3', { state: 'suspect', accusers })] })
    while (!made.changes.includes('n3 suspect unreachable')) passAnswered(made, 5, [])
    return made.nowMs
  }
  const { suspicionMult, suspicionMaxMult, probeIntervalMs } = bench(6).times
  const shortestMs = suspicionMult * probeIntervalMs
  const longestMs = shortestMs * suspicionMaxMult
  t.equal(accused(['n2']), longestMs)
  t.equal(accused(['n2', 'n4']), shortestMs)
  t.equal(accused(['n2', 'n3', 'x9']), longestMs, 'neither itself nor a stranger confirms')
})

t.test('who speaks while we hold it for gone is told so, and comes back beyond it', async (t) => {
  const made = bench(3)
  made.hear('n2', { claims: [claim('n3', { state: 'unreachable', version: 4 })] })
  const said = made.hear('n3')
  t.match(
    said.find(({ to }) => to === 'n3')?.packet.claims.find(({ id }) => id === 'n3'),
    { state: 'unreachable', version: 4 },
  )
  made.hear('n3', { claims: [claim('n3', { version: 5 })] })
  t.equal(made.state('n3'), 'alive 0.5')
})

t.test('after a mass restart nobody stays gone for its old accusation', async (t) => {
  const made = bench(3)
  made.hear('n2', { claims: [claim('n3', { state: 'unreachable', version: 100 })] })
  made.hear('n3', { claims: [claim('n3', { boot: BOOT + 5 })] }, BOOT + 5)
  t.equal(made.state('n3'), 'alive 5.1')
})

t.test('a life that its clock put before its last is told of the last', async (t) => {
  const made = bench(3)
  made.hear('n3', { claims: [claim('n3', { boot: BOOT + 50 })] }, BOOT + 50)
  const said = made.hear('n3', {}, BOOT + 10, false)
  t.equal(made.state('n3'), 'alive 50.1')
  t.match(said, [{ to: 'n3', toBoot: BOOT + 10 }])
  t.match(said[0]?.packet.claims[1], { id: 'n3', boot: BOOT + 50 })
})

t.test('what is not current is not used, and answered with one datagram', async (t) => {
  const made = bench(3)
  const packet = {
    probe: { type: 'ping', seq: 1, target: 'n1' },
    sync: { type: 'ask', digest: [0] },
    claims: [claim('n3', { state: 'left' })],
  } as const
  const said = made.hear('n2', packet, BOOT, false)
  t.equal(said.length, 1)
  t.same(answers(said), [])
  t.equal(made.state('n3'), 'alive 0.1')
  t.same(made.hear('n2', packet, BOOT, false), [], 'and not as often as it comes')
  t.equal(made.hear('n3', packet, BOOT, false).length, 1)
})

t.test('a refused data port is proof: unreachable at once, and the accused hears it', async (t) => {
  const made = bench(4)
  made.pass(150)
  const said = [...made.handle({ type: 'refused', id: 'n3' }), ...made.pass(30)]
  t.ok(made.state('n3').startsWith('unreachable'))
  t.ok(said.some(({ to }) => to === 'n3'))
  t.ok(said.filter(({ packet }) => packet.claims.some(({ id }) => id === 'n3')).length >= 3)
  made.hear('n3', { claims: [claim('n3', { version: 2 })] })
  made.handle({ type: 'refused', id: 'n3' })
  t.equal(made.state('n3'), 'alive 0.2', 'not again while it has just shown that it lives')
  made.handle({ type: 'refused', id: 'n1' })
  made.handle({ type: 'refused', id: 'x1' })
  t.equal(made.state('n1'), 'alive 0.1')
})

t.test('an unreachable member is tried for ever', async (t) => {
  const made = bench(3)
  passAnswered(made, 1_000, ['n2'])
  const tried = probes(passAnswered(made, 600_000, ['n2']), 'ping').filter(({ to }) => to === 'n2')
  t.ok(tried.length > 1_000)
  t.same(
    tried.at(-1)?.packet.claims.map(({ id, state }) => `${id} ${state}`),
    ['n1 alive', 'n2 unreachable'],
  )
})

t.test('after an own pause silence proves nothing', async (t) => {
  const made = bench(2)
  made.pass(99)
  made.hear('n2')
  made.nowMs += 5_000
  made.handle({ type: 'tick' })
  t.same(made.changes, [])
  t.equal(made.core.awareness, 1)
})

t.test('own meta raises the version and is told at once; the same meta is not', async (t) => {
  const made = bench(3)
  made.pass(60)
  const event = { type: 'meta', meta: { cordoned: true, hostPorts: [5] } } as const
  const said = [...made.handle(event), ...made.pass(made.times.gossipIntervalMs / 8)]
  t.equal(made.state('n1'), 'alive 0.2')
  t.match(said.at(-1)?.packet.claims[0], { meta: { cordoned: true, hostPorts: [5] }, version: 2 })
  made.handle({ type: 'meta', meta: { cordoned: true } })
  t.equal(made.state('n1'), 'alive 0.2')
  t.throws(() => made.handle({ type: 'meta', meta: { hostPorts: Array(65).fill(1) } }))
})

t.test('leaving is told to everybody and not refuted', async (t) => {
  const made = bench(4)
  const said = made.handle({ type: 'leave' })
  const told = said.filter(({ packet }) => packet.claims[0]?.state === 'left')
  t.same([...new Set(told.map(({ to }) => to))].toSorted(), ['n2', 'n3', 'n4'])
  made.hear('n2', { claims: [claim('n1', { state: 'left', version: 2 })] })
  t.equal(made.state('n1'), 'left 0.2')
})

t.test('a new map brings and takes members', async (t) => {
  const made = bench(4)
  const map = mapOf(5, [], 2)
  const nodes = map.nodes.filter(({ id }) => id !== 'n3')
  const said = made.handle({ type: 'map', map: { ...map, nodes }, mapHash: '00112233aabbccdd' })
  t.same(made.changes, ['n3 alive left', 'n5 undefined unreachable'])
  t.equal(made.core.member('n3', 0), undefined)
  t.ok(said.some(({ to }) => to === 'n5'))
  t.same(made.hear('n3'), [], 'who is removed is not answered')
  t.same(
    made.core.members(0).map(({ id }) => id),
    ['n1', 'n2', 'n4', 'n5'],
  )
})

t.test(
  'another map under the same epoch is noticed, a newer one is not held against it',
  async (t) => {
    const made = bench(4)
    const mapHash = '00112233aabbccdd'
    made.hear('n2', {}, BOOT, true, { map: { mapHash } })
    made.hear('n3', {}, BOOT, true, { map: { mapHash, mapEpoch: 2 } })
    t.same(made.core.mapCensus(), { holders: 2, others: ['n2'] })
  },
)

t.test('loads: own ones go with every packet, others in windows, only of members', async (t) => {
  const made = bench(4)
  made.handle({ type: 'load', load: LOAD })
  made.pass(20)
  const news = { boot: BOOT, seq: 1, ageMs: 30, urgency: 0, load: { ...LOAD, cpu: 2 } }
  made.hear('n2', {
    loads: [
      { ...news, id: 'n3' },
      { ...news, id: 'x1' },
      { ...news, id: 'n1' },
    ],
  })
  const other = { ...news, id: 'n4', boot: BOOT + 1 }
  made.hear('n2', { loads: [other] })
  t.match(made.core.member('n3', made.nowMs), { load: { cpu: 2 }, loadAgeMs: 30 })
  t.equal(made.core.member('n1', made.nowMs)?.load?.cpu, LOAD.cpu, 'nobody tells us our load')
  t.equal(made.core.member('n4', made.nowMs)?.load, undefined, 'of a life not heard of')
  const [ack] = made.hear('n2', { probe: { type: 'ping', seq: 1, target: 'n1' } })
  t.same(
    ack?.packet.loads.map(({ id, ageMs }) => [id, ageMs]),
    [['n1', 20]],
  )
})

t.test('a table larger than a datagram comes in bounded pieces', async (t) => {
  const made = bench(300)
  made.pass(made.times.probeIntervalMs)
  const pieces = made
    .hear('n2', { sync: { type: 'ask', digest: [0] } })
    .filter(({ to }) => to === 'n2')
  const told = new Set(pieces.flatMap(({ packet }) => packet.claims.map(({ id }) => id)))
  t.equal(told.size, 300)
  t.same(
    made
      .hear('n2', { sync: { type: 'ask', digest: [0] } })
      .filter(({ packet }) => packet.claims.length > 50),
    [],
    'not as often as somebody asks',
  )
})
