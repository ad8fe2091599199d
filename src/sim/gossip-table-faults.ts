import { GossipBench } from './gossip-bench.ts'
import type { SimMember } from './gossip-cluster.ts'
import type { TableRow } from './gossip-table.ts'

const MEMBERS = 100
const FAULTY = 'n1'
const PERIOD_MS = 20_000
const PERIODS = 5
const LOSS = 0.8

/** Rapid's scenarios (Suresh et al., ATC'18, §7): one member in a hundred, 180 s. */
export function* faultRows(): Generator<TableRow> {
  yield row('hears nobody, 20 s on and 20 s off', flipFlop)
  yield row('loses 80 % of what it sends', (bench) => {
    bench.cluster.network.loseFrom(FAULTY, LOSS)
    bench.wait((2 * PERIODS - 1) * PERIOD_MS)
  })
}

function flipFlop(bench: GossipBench): void {
  const { network, members } = bench.cluster
  for (let period = 1; period <= PERIODS; period++) {
    for (const id of members.keys()) if (id !== FAULTY) network.block(id, FAULTY)
    bench.wait(PERIOD_MS)
    if (period === PERIODS) return
    network.heal()
    bench.wait(PERIOD_MS)
  }
}

function row(what: string, fail: (bench: GossipBench) => void): TableRow {
  const bench = new GossipBench({ members: MEMBERS, preset: 'lan', seed: 1 })
  bench.startWarm()
  const healthy = bench.cluster.running().filter(({ id }) => id !== FAULTY)
  const wrongly = new Set<string>()
  let verdicts = 0
  let returns = 0
  bench.onChange = (observer: SimMember, { id, state }, before) => {
    if (observer.id === FAULTY) return
    if (id === FAULTY && before === 'unreachable' && state !== before) returns++
    if (state !== 'unreachable') return
    if (id === FAULTY) verdicts++
    else wrongly.add(id)
  }
  fail(bench)
  const removed = healthy.filter((observer) => bench.sees(observer, FAULTY) === 'unreachable')
  const times = (verdicts / healthy.length).toFixed(1)
  return {
    name: `one member of ${MEMBERS} ${what}: lan`,
    measured: `removed by ${removed.length} of ${healthy.length} at the end, ${times} times, back ${(returns / healthy.length).toFixed(1)} times; ${wrongly.size} others removed`,
    asked: 'exactly the faulty one, for good',
    ok: removed.length === healthy.length && wrongly.size === 0 && returns === 0,
  }
}
