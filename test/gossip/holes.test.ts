/** Known holes of other implementations, one test each, by the numbers of their list. */
import t from 'tap'
import { suspicionTimes } from '../../src/gossip/suspicion.ts'
import { GossipBench } from '../../src/sim/gossip-bench.ts'
import { Bench, BOOT, claim, type Said } from './helpers.ts'

/** n1 that knows all the others. */
function bench(members: number): Bench {
  const made = new Bench(members)
  made.handle({ type: 'start' })
  for (let i = 2; i <= members; i++) made.hear(`n${i}`)
  return made
}

const pings = (said: readonly Said[], to: string): Said[] =>
  said.filter((one) => one.to === to && one.packet.probe?.type === 'ping' && !one.stream)

t.test('hole 1: evidence that is dropped counts all the same: nobody rises from it', async (t) => {
  const made = bench(6)
  for (const [state, version] of [
    ['alive', 1],
    ['unreachable', 1],
    ['unreachable', 10],
    ['alive', 2],
    ['alive', 10],
  ] as const) {
    made.hear('n2', { claims: [claim('n3', { state, version })] })
  }
  t.equal(made.state('n3'), 'unreachable 0.10')
})

t.test('hole 2: after a mass restart all are back, whatever was said of them before', async (t) => {
  const { cluster, clock } = settled(16)
  for (const member of cluster.members.values()) {
    cluster.crash(member)
    // Clocks were set back meanwhile: the new lives begin before the old ones.
    member.wallOffsetMs -= 60_000
  }
  for (const member of cluster.members.values()) cluster.start(member)
  clock.runUntil(clock.nowMs() + 5_000)
  for (const { endpoint } of cluster.running()) {
    const states = endpoint!.core.members(clock.nowMs()).map(({ state }) => state)
    t.ok(states.every((state) => state === 'alive'))
  }
})

t.test('hole 3: a datagram makes a member send one, to where the map has its sender', async (t) => {
  const made = bench(4)
  const said = made.hear('n2', { probe: { type: 'ping', seq: 1, target: 'n1' } })
  t.strictSame(
    said.map(({ to, packet }) => `${packet.answer?.type} to ${to}`),
    ['ack to n2'],
  )
})

t.test('hole 3: who is not proved to be there gets no more than it sent', async (t) => {
  for (const answerBytesMax of [0, 40, 120]) {
    const made = new Bench(4)
    made.handle({ type: 'start' })
    let bytes = 0
    for (let i = 0; i < 100; i++) {
      made.nowMs += 1
      made.hear('n2', {}, BOOT, false, { answerBytesMax })
      const answers = made.sent.filter(({ to }) => to.id === 'n2')
      bytes = Math.max(bytes, ...answers.map(({ payload }) => payload.length))
    }
    t.ok(bytes <= answerBytesMax, `${bytes} bytes to ${answerBytesMax}`)
  }
})

t.test('hole 4: one accuser alone ends no suspicion before its longest time', async (t) => {
  const made = bench(6)
  made.hear('n2', { claims: [claim('n3', { state: 'suspect', accusers: ['n2'] })] })
  const { minMs, maxMs } = suspicionTimes(made.times, 6)
  const beganMs = made.nowMs
  while (made.nowMs - beganMs < maxMs - 1) {
    made.pass(1)
    for (const id of ['n2', 'n4', 'n5', 'n6']) made.hear(id)
    made.hear('n2', { claims: [claim('n3', { state: 'suspect', accusers: ['n2'] })] })
    if (made.nowMs - beganMs > minMs && made.core.claimOf('n3')!.accusers.length > 1) break
    t.equal(made.core.claimOf('n3')!.state, 'suspect')
  }
})

t.test('hole 4: one member that is cut off leaves the others in peace', async (t) => {
  const made = settled(16)
  const { cluster, clock } = made
  let verdicts = 0
  made.onChange = (observer, { id, state }) => {
    if (observer.id !== 'n1' && id !== 'n1' && state === 'unreachable') verdicts++
  }
  for (let i = 2; i <= 16; i++) cluster.network.block(`n${i}`, 'n1')
  clock.runUntil(clock.nowMs() + 10_000)
  t.equal(verdicts, 0, 'it hears nobody, and still nobody is held for gone')
  const gone = cluster.running().filter((each) => made.sees(each, 'n1') === 'unreachable')
  t.equal(gone.length, 15, 'but itself')
  cluster.network.heal()
  clock.runUntil(clock.nowMs() + 5_000)
  t.ok(cluster.running().every((each) => made.sees(each, 'n1') === 'alive'))
})

t.test('hole 5: whom the map has is tried for ever', async (t) => {
  const made = bench(3)
  made.hear('n2', { claims: [claim('n3', { state: 'unreachable' })] })
  made.pass(3_600_000)
  t.ok(pings(made.pass(10_000), 'n3').length > 0)
})

t.test('hole 6: helpers are different members, and answers are of the life probed', async (t) => {
  const made = bench(6)
  let asked: Said[] = []
  while (asked.length === 0) {
    asked = made.pass(1).filter(({ packet }) => packet.probe?.type === 'ask')
  }
  const { seq, target } = asked[0]!.packet.probe!
  const helpers = asked.filter(({ packet }) => packet.probe?.seq === seq).map(({ to }) => to)
  t.equal(new Set(helpers).size, helpers.length)
  t.notOk(helpers.includes(target) || helpers.includes('n1'))
  made.hear(target, { answer: { type: 'ack', seq }, claims: [] }, BOOT + 9)
  made.pass(made.times.probeIntervalMs)
  t.not(made.core.member(target, made.nowMs)?.state, 'alive')
})

t.test('hole 7: two who hold each other for gone do not keep each other busy', async (t) => {
  const made = bench(3)
  made.hear('n2', { claims: [claim('n3', { state: 'unreachable', version: 9 })] })
  let said = 0
  for (let round = 0; round < 1_000; round++) {
    made.nowMs += 0.01
    said += made.hear('n3').filter(({ to }) => to === 'n3').length
    said += made.hear('n3', {}, BOOT - 5, false).filter(({ to }) => to === 'n3').length
  }
  t.ok(said <= 10, `${said} answers to 2,000 datagrams`)
})

function settled(members: number): GossipBench {
  const made = new GossipBench({ members, preset: 'quick', seed: 3 })
  made.start()
  return made
}
