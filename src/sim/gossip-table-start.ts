import type { PresetName } from '../gossip/presets.ts'
import { GossipBench } from './gossip-bench.ts'
import type { TableInit, TableRow } from './gossip-table.ts'

/** A cluster that takes longer than this does not settle. */
const LIMIT_MS = 120_000

/** All members start within the same second and know nobody; until all know all. */
export function* startRows({ quick }: TableInit): Generator<TableRow> {
  yield startRow('local', 16)
  yield startRow('lan', 100)
  if (!quick) yield startRow('lan', 1_000)
}

function startRow(preset: PresetName, members: number): TableRow {
  const bench = new GossipBench({ members, preset, seed: 1 })
  const settled = bench.start(LIMIT_MS)
  const { stats } = bench.cluster
  const seconds = bench.clock.nowMs() / 1_000
  const rate = (stats.bytes / seconds / members / 1_000).toFixed(1)
  return {
    name: `cold start: ${preset}, ${members} members`,
    measured: settled
      ? `all know all after ${seconds.toFixed(1)} s, at ${rate} KB/s/node`
      : `not settled after ${seconds.toFixed(0)} s`,
    asked: '',
    ok: settled,
  }
}
