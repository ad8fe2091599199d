import t from 'tap'
import { Bench, claim, type Said } from './helpers.ts'

/** n1 that knows the others as alive; those in `silent` answer nothing from then on. */
class Cluster extends Bench {
  silent = new Set<string>()

  constructor(members: number) {
    super(members)
    this.handle({ type: 'start' })
    for (let i = 2; i <= members; i++) this.hear(`n${i}`)
    this.changes = []
  }

  run(durationMs: number): Said[] {
    const said: Said[] = []
    for (const untilMs = this.nowMs + durationMs; this.nowMs < untilMs; ) {
      const now = this.pass(1)
      said.push(...now)
      for (const { to, packet } of now) {
        if (!packet.probe || this.silent.has(to)) continue
        const type = this.silent.has(packet.probe.target) ? 'nack' : 'ack'
        said.push(...this.hear(to, { answer: { type, seq: packet.probe.seq } }))
      }
    }
    return said
  }

  states(state: string): number {
    return this.core.members(this.nowMs).filter((member) => member.state === state).length
  }
}

const accusations = (said: readonly Said[]): number =>
  said.filter(({ packet }) => packet.claims.some(({ state }) => state !== 'alive')).length

t.test(
  'hole 4: who is cut off from most accuses nobody once it knows, but acts on it',
  async (t) => {
    const made = new Cluster(16)
    made.silent = new Set(made.map.nodes.slice(4).map(({ id }) => id))
    made.run(1_000)
    const late = made.run(2_000)
    t.equal(made.states('unreachable'), 12, 'it does not send its own clients there')
    t.equal(accusations(late.filter(({ to }) => !made.silent.has(to))), 0)
    const told = made.map.nodes.map(({ id }) => made.core.claimOf(id)!.state)
    t.equal(told.filter((state) => state === 'unreachable').length, 0, 'no verdict is told')
    made.silent.clear()
    made.run(12_000)
    t.equal(made.states('alive'), 16, 'the cut ends, and all are back')
    t.equal(made.state('n9').split('.')[1], '1', 'without anybody having had to refute a verdict')
  },
)

t.test('fewer than half that are silent are accused', async (t) => {
  const made = new Cluster(16)
  made.silent = new Set(['n2', 'n3'])
  made.run(5_000)
  t.equal(made.core.claimOf('n2')!.state, 'unreachable')
  t.equal(made.core.claimOf('n3')!.state, 'unreachable')
  t.equal(made.states('alive'), 14)
})

t.test('one accuser ends no suspicion before its longest time, two do', async (t) => {
  const made = new Cluster(6)
  made.hear('n2', { claims: [claim('n3', { state: 'suspect', accusers: ['n2'] })] })
  made.silent = new Set(['n3'])
  const deadlineMs = (accusers: string[]): number => {
    const one = new Cluster(6)
    one.hear('n2', { claims: [claim('n3', { state: 'suspect', accusers })] })
    while (!one.changes.includes('n3 suspect unreachable')) one.pass(5)
    return one.nowMs
  }
  const { suspicionMult, suspicionMaxMult, probeIntervalMs } = made.times
  const shortestMs = suspicionMult * probeIntervalMs
  t.ok(deadlineMs(['n2', 'n4']) < shortestMs * suspicionMaxMult)
  t.ok(deadlineMs(['n2']) >= shortestMs * suspicionMaxMult)
})

t.test('while it cannot be heard it does not refute; when it can it does', async (t) => {
  const made = new Cluster(16)
  made.silent = new Set(made.map.nodes.slice(4).map(({ id }) => id))
  made.run(3_000)
  made.hear('n2', { claims: [claim('n1', { state: 'suspect', accusers: ['n9'] })] })
  made.hear('n2', { claims: [claim('n1', { state: 'unreachable' })] })
  t.equal(made.state('n1'), 'alive 0.1')
  made.silent.clear()
  made.run(12_000)
  t.equal(made.state('n1'), 'alive 0.2')
})

t.test('deaths whose suspicions end together are one verdict', async (t) => {
  const made = new Cluster(16)
  const accuse = (id: string): void => {
    made.hear('n2', { claims: [claim(id, { state: 'suspect', accusers: ['n2', 'n4'] })] })
  }
  const batches: number[] = []
  accuse('n8')
  made.pass(made.times.cutMs / 2)
  accuse('n9')
  for (let ms = 0; ms < 1_000; ms++) {
    const before = made.states('unreachable')
    made.pass(1)
    const died = made.states('unreachable') - before
    if (died > 0) batches.push(died)
    for (const id of ['n3', 'n5', 'n6', 'n7', 'n10', 'n11', 'n12', 'n13']) made.hear(id)
  }
  t.equal(batches[0], 2)
})
