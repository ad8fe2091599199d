import t from 'tap'
import { PRESETS } from '../../src/gossip/presets.ts'
import type { Member, MemberState } from '../../src/gossip/types.ts'
import { gossipArea } from '../../src/sim/gossip-area.ts'
import { GossipChecks } from '../../src/sim/gossip-checks.ts'
import { GossipCluster } from '../../src/sim/gossip-cluster.ts'
import { Trace } from '../../src/sim/trace.ts'
import { VirtualClock } from '../../src/sim/virtual-clock.ts'
import { PERFECT_LINK } from '../../src/sim/virtual-network.ts'
import { seededRandom } from '../../src/world.ts'
import { LOAD, mapOf } from '../gossip/helpers.ts'

const SEEDS = 5

t.test(`${SEEDS} seeds of members under faults hold every invariant`, async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, stats } = gossipArea.runSeed(seed, { quick: true })
    t.same(violations, [], `npm run sim -- --area gossip --quick --seeds 1 --from ${seed}`)
    t.ok(stats['suspicions']! > 0 && stats['lost']! > 100, 'there was something to survive')
  }
})

t.test('the longer presets', async (t) => {
  for (const seed of [18, 19]) {
    const { violations } = gossipArea.runSeed(seed, { quick: false })
    t.same(violations, [], `npm run sim -- --area gossip --seeds 1 --from ${seed}`)
  }
})

t.test('a run is a function of its seed', async (t) => {
  const [first, again, other] = [7, 7, 8].map((seed) => gossipArea.runSeed(seed, { quick: true }))
  t.same(first, again)
  t.not(first?.traceHash, other?.traceHash)
})

function cluster(members: number, seed: number) {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const checks = new GossipChecks(clock)
  const made: GossipCluster = new GossipCluster(
    {
      clock,
      random,
      trace: new Trace(),
      observe: (member, changes) => checks.observe(made, member, changes),
    },
    { map: mapOf(members), keys: [], times: PRESETS.quick, faults: PERFECT_LINK },
  )
  for (const member of made.members.values()) made.start(member)
  clock.runUntil(2_000)
  return { clock, checks, cluster: made }
}

t.test('quick: a killed member is unreachable to all within half a second', async (t) => {
  for (const members of [3, 4, 8, 16]) {
    for (let seed = 1; seed <= 10; seed++) {
      const { clock, checks, cluster: made } = cluster(members, seed)
      if (checks.stats.suspicions > 0) t.fail('a suspicion without a cause')
      made.crash(made.members.get('n2')!)
      const killedMs = clock.nowMs()
      while (checks.disagreement(made)) clock.runUntil(clock.nowMs() + 1)
      const tookMs = clock.nowMs() - killedMs
      if (tookMs > 500) t.fail(`${members} members, seed ${seed}: ${tookMs} ms`)
    }
    t.pass(`${members} members`)
  }
})

t.test('the checks see what must not be: each invariant by its name', async (t) => {
  const { checks, cluster: made } = cluster(3, 1)
  const observer = made.members.get('n1')!
  const { core } = observer.endpoint!
  const seen = core.member('n2', 0)!
  const see = (change: Partial<Member>, before: MemberState = 'alive'): string => {
    checks.observe(made, observer, [{ member: { ...seen, ...change }, before }])
    return checks.violations.splice(0).join('; ')
  }
  t.equal(see({}), '')
  t.match(see({ version: seen.version - 1 }), 'IncarnationMonotonic')
  t.match(see({ version: seen.version + 9 }), 'SelfIncarnation')
  t.match(see({ meta: { ...seen.meta, cordoned: true } }), 'MetaPerIncarnation')
  t.match(see({}, 'unreachable'), 'IllegalPair: n2 was alive')

  made.handle(observer, { type: 'refused', id: 'n2' })
  checks.violations.splice(0)
  const dead = core.claimOf('n2')!
  t.equal(dead.state, 'unreachable')
  const hold = (state: MemberState): string => {
    const entry = [...core.entries].find(({ place }) => place.id === 'n2') as { state: MemberState }
    entry.state = state
    return see({ state }, 'unreachable')
  }
  t.match(hold('alive'), 'NoResurrection', 'of the same version')
  hold('left')
  t.match(hold('suspect'), 'IllegalPair')
  hold('unreachable')

  const self = [...core.entries].find(({ place }) => place.id === 'n1') as { state: MemberState }
  self.state = 'suspect'
  t.match(see({}), 'SelfLiveness')
  self.state = 'alive'
  observer.map = { ...observer.map, nodes: observer.map.nodes.slice(2) }
  t.match(see({}), 'Boundedness')

  made.handle(observer, { type: 'load', load: { ...LOAD, workers: 9e12 } })
  checks.violations.splice(0)
  checks.checkAges(made)
  t.match(checks.violations.join(), 'LoadAge')
})

t.test('what is not agreed on yet', async (t) => {
  const { checks, cluster: made } = cluster(3, 1)
  const observer = made.members.get('n1')!
  t.equal(checks.disagreement(made), undefined)
  made.handle(observer, { type: 'refused', id: 'n3' })
  t.match(checks.disagreement(made), 'n1 holds n3 for unreachable')
})
