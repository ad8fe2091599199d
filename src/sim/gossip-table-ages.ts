import type { PresetName } from '../gossip/presets.ts'
import { GossipBench } from './gossip-bench.ts'
import { quantile, type TableInit, type TableRow } from './gossip-table.ts'
import { Histogram } from './histogram.ts'

const LOADS_EVERY_MS = 50
const BYTES_ASKED = 20_000
const CLOSE = 0.1
const LOOKS = 4
const LOOK_EVERY_MS = 500

/** How old what members know of each other's load is, and what that costs. */
export function* ageRows({ quick }: TableInit): Generator<TableRow> {
  yield* ages('quick', 16, 4_000)
  yield* ages('lan', 100, 5_000, 1_000)
  if (!quick) yield* ages('lan', 1_000, 9_000, 5_000)
}

function* ages(
  preset: PresetName,
  members: number,
  warmMs: number,
  askedMs?: number,
): Generator<TableRow> {
  const bench = new GossipBench({ members, preset, seed: 1, loadsEveryMs: LOADS_EVERY_MS })
  bench.startWarm()
  bench.wait(warmMs)
  const { stats } = bench.cluster
  const before = { ...stats }
  const fromMs = bench.clock.nowMs()
  const seen = new Histogram()
  for (let look = 0; look < LOOKS; look++) {
    bench.wait(LOOK_EVERY_MS)
    lookAt(bench, seen)
  }
  const seconds = (bench.clock.nowMs() - fromMs) / 1_000
  const bytes = (stats.bytes - before.bytes) / seconds / members
  const [p50, p99] = [seen.quantile(0.5), seen.quantile(0.99)]
  const name = `age of loads: ${preset}, ${members} members`
  yield {
    name,
    measured: `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms at ${(bytes / 1_000).toFixed(1)} KB/s/node`,
    asked: askedMs === undefined ? '' : `p99 ≤ ${askedMs} ms within ${BYTES_ASKED / 1_000} KB/s`,
    ok: askedMs === undefined || (p99 <= askedMs && bytes <= BYTES_ASKED),
  }
  // With few members most news comes with probes and answers, which the closed form does not know.
  if (members < 100) return
  const { gossipIntervalMs, gossipFanout } = bench.times
  const stepMs = gossipIntervalMs / gossipFanout
  for (const [part, measured] of [
    [0.5, p50],
    [0.99, p99],
  ] as const) {
    const expected = closedForm(members, rowsOf(bench), part) * stepMs + LOADS_EVERY_MS / 2
    yield {
      name: `${name}, p${100 * part} to the closed form`,
      measured: `${measured.toFixed(0)} of ${expected.toFixed(0)} ms: ${(measured / expected).toFixed(2)}`,
      asked: `within ${100 * CLOSE} %`,
      ok: Math.abs(measured / expected - 1) <= CLOSE,
    }
  }
}

/** Adds the ages of all loads that all know of the others; one that is not known is for ever old. */
function lookAt({ cluster, clock }: GossipBench, seen: Histogram): void {
  const nowMs = clock.nowMs()
  for (const { id, endpoint } of cluster.running()) {
    const { rows } = endpoint!.core
    for (const row of rows) if (row.id !== id) seen.add(nowMs - row.bornMs)
    for (let left = cluster.members.size - rows.length; left > 0; left--) {
      seen.add(Number.POSITIVE_INFINITY)
    }
  }
}

/** Loads in a window, the sender's own included. */
function rowsOf({ cluster }: GossipBench): number {
  const windows = cluster.running().map(({ endpoint }) => endpoint!.core.sizes.window)
  return 1 + quantile(windows, 0.5)
}

/**
 * Age in steps that a part `p` of the entries does not exceed, with `n` members, windows of `w` rows
 * and one window of each member a step (Amar, Barak, Drezner, Okun, CCPE 21:1907, 2009):
 * `A_w − ln(1 − p) / −ln(1 − 1/(n−1)) / X`.
 */
export function closedForm(n: number, w: number, p: number): number {
  const size = Math.min(w, n - 1)
  const t = ((n - 1) / n) * Math.log((size * (n - 1)) / (n - size))
  const e = Math.exp((n * t) / (n - 1))
  const x = (n * e) / (n - 1 + e)
  const windowAge = t - ((n - 1) / x) * (Math.log(n - 1 + e) - Math.log(n))
  return windowAge + Math.log(1 - p) / (x * Math.log(1 - 1 / (n - 1)))
}
