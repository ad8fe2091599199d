import type { PresetName } from '../gossip/presets.ts'
import { GossipBench } from './gossip-bench.ts'
import { quantile, type TableInit, type TableRow } from './gossip-table.ts'

const CRASHES: Readonly<Record<number, number>> = { 16: 100, 100: 20, 1000: 2 }
const ASKED_QUICK_16_MS = 250

/** From the loss of a machine, which refuses nothing, until the last of the others holds it for gone. */
export function* crashRows({ quick }: TableInit): Generator<TableRow> {
  for (const preset of ['quick', 'local', 'lan', 'wan'] as const) {
    for (const members of quick ? [16, 100] : [16, 100, 1_000]) yield crashRow(preset, members)
  }
}

function crashRow(preset: PresetName, members: number): TableRow {
  const bench = new GossipBench({ members, preset, seed: 1 })
  bench.startWarm()
  const tookMs: number[] = []
  let accused = 0
  for (let crash = 0; crash < CRASHES[members]!; crash++) {
    const { probeIntervalMs } = bench.times
    bench.wait(probeIntervalMs * (2 + bench.random.next()))
    const took = lose(bench, 1 + (crash % members), (id) => accused++ || id)
    tookMs.push(took)
  }
  const p50 = quantile(tookMs, 0.5)
  const p99 = quantile(tookMs, 0.99)
  const isAsked = preset === 'quick' && members === 16
  return {
    name: `crash known to all: ${preset}, ${members} members`,
    measured: `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms of ${tookMs.length}, ${accused} others accused`,
    asked: isAsked ? `≤ ${ASKED_QUICK_16_MS} ms` : '',
    ok: accused === 0 && (!isAsked || p99 <= ASKED_QUICK_16_MS),
  }
}

/** Loses one member and brings it back; `others` hears of each verdict about any other. */
function lose(bench: GossipBench, index: number, others: (id: string) => unknown): number {
  const { cluster, clock } = bench
  const lost = bench.member(index)
  const unaware = new Set(cluster.members.keys())
  unaware.delete(lost.id)
  bench.onChange = (observer, { id, state }) => {
    if (state !== 'unreachable') return
    if (id === lost.id) unaware.delete(observer.id)
    else others(id)
  }
  cluster.crash(lost)
  const lostMs = clock.nowMs()
  let knownMs = lostMs
  bench.waitUntil(() => {
    knownMs = clock.nowMs()
    return unaware.size === 0
  })
  cluster.start(lost)
  bench.waitUntil(() => bench.agreed(), 50)
  return knownMs - lostMs
}
