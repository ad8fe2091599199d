import { GossipBench } from './gossip-bench.ts'
import type { TableRow } from './gossip-table.ts'

const MEMBERS = 100
const RUN_MS = 180_000
const FEWER_ASKED = 50
/**
 * A stressed member gets the processor for so short that answers come when it is gone again, and is
 * without it for longer than a suspicion takes.
 */
const AWAKE_MS = 0.1
const ASLEEP_MS = { min: 500, max: 16_000 }

/** Accusations of members that were well all the time, while others are short of processor time. */
export function* accusationRows(): Generator<TableRow> {
  for (const stressed of [4, 16]) {
    const without = run(stressed, false)
    const withIt = run(stressed, true)
    const scene = `lan, ${MEMBERS} members, ${stressed} stressed, ${RUN_MS / 1_000} s`
    const [plain, ours] = [without.accusations, withIt.accusations]
    const fewer = (plain / Math.max(1, ours)).toFixed(0)
    yield {
      name: `false accusations: ${scene}`,
      measured: `${plain} in plain SWIM, ${ours} with Lifeguard and guards: ${fewer} times fewer`,
      asked: `≥ ${FEWER_ASKED} times fewer`,
      ok: plain >= FEWER_ASKED * Math.max(1, ours),
    }
    yield {
      name: `false verdicts: ${scene}`,
      measured: `${without.verdicts} in plain SWIM, ${withIt.verdicts} with Lifeguard and guards`,
      asked: 'no more',
      ok: withIt.verdicts <= without.verdicts,
    }
  }
}

interface Wrong {
  /** Suspicions of a healthy member, each counted once, that another healthy one heard. */
  readonly accusations: number
  /** How often a healthy member held a healthy one for gone. */
  readonly verdicts: number
}

function run(stressed: number, lifeguard: boolean): Wrong {
  const bench = new GossipBench({ members: MEMBERS, preset: 'lan', seed: 1, lifeguard })
  bench.startWarm()
  const ill = new Set(Array.from({ length: stressed }, (_, i) => `n${i + 1}`))
  const accused = new Set<string>()
  let verdicts = 0
  bench.onChange = (observer, { id, state, version }) => {
    if (ill.has(id) || ill.has(observer.id)) return
    if (state === 'suspect') accused.add(`${id} ${version}`)
    if (state === 'unreachable') verdicts++
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
  return { accusations: accused.size, verdicts }
}
