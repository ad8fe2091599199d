import { GossipBench } from './gossip-bench.ts'
import type { TableRow } from './gossip-table.ts'

const MEMBERS = 100
const RUN_MS = 120_000
const FEWER_ASKED = 50
/** A stressed member gets the processor for a moment, then not for long. */
const AWAKE_MS = 60
const ASLEEP_MS = { min: 500, max: 4_000 }

/** Verdicts about members that were well all the time, while others are short of processor time. */
export function* accusationRows(): Generator<TableRow> {
  for (const stressed of [4, 16]) {
    const without = run(stressed, false)
    const withIt = run(stressed, true)
    const fewer = withIt === 0 ? 'none' : `${(without / withIt).toFixed(0)} times fewer`
    yield {
      name: `healthy members called dead: lan, ${MEMBERS} members, ${stressed} stressed`,
      measured: `${without} without Lifeguard, ${withIt} with it: ${fewer}`,
      asked: `≥ ${FEWER_ASKED} times fewer`,
      ok: without >= FEWER_ASKED * Math.max(withIt, 1) || (withIt === 0 && without > 0),
    }
  }
}

/** How often a healthy member held a healthy one for gone. */
function run(stressed: number, lifeguard: boolean): number {
  const bench = new GossipBench({ members: MEMBERS, preset: 'lan', seed: 1, lifeguard })
  bench.start()
  const ill = new Set(Array.from({ length: stressed }, (_, i) => `n${i + 1}`))
  let wrong = 0
  bench.onChange = (observer, { id, state }) => {
    if (state === 'unreachable' && !ill.has(id) && !ill.has(observer.id)) wrong++
  }
  const { cluster, clock, random } = bench
  const stress = (id: string): void => {
    const member = cluster.members.get(id)!
    const sleepMs = ASLEEP_MS.min + random.next() * (ASLEEP_MS.max - ASLEEP_MS.min)
    cluster.pause(member)
    clock.after(sleepMs, () => {
      cluster.resume(member)
      clock.after(AWAKE_MS, () => stress(id))
    })
  }
  for (const id of ill) stress(id)
  bench.wait(RUN_MS)
  return wrong
}
