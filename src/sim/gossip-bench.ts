import type { ClusterMap } from '../config/schema.ts'
import { seenState } from '../gossip/member-table.ts'
import { type GossipTimes, PRESETS, type PresetName } from '../gossip/presets.ts'
import type { Member, MemberState } from '../gossip/types.ts'
import { type Random, seededRandom } from '../world.ts'
import { GossipCluster, type SimMember } from './gossip-cluster.ts'
import { SIM_CAPACITY, simLoad } from './gossip-load.ts'
import { nodesMap } from './gossip-map.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'
import { PERFECT_LINK } from './virtual-network.ts'

export interface BenchInit {
  readonly members: number
  readonly preset: PresetName
  readonly seed: number
  /** Between two measurements of each member's load; none: no loads. */
  readonly loadsEveryMs?: number
  /** Off: plain SWIM. */
  readonly lifeguard?: boolean
}

const SETTLED_EVERY_MS = 250
const START_MS = 1_000
const QUIET = { requestsMax: SIM_CAPACITY.requests, strained: 0 }

/** A quiet cluster of the size that a figure is wanted of: all nodes, all up, all agreed. */
export class GossipBench {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly cluster: GossipCluster
  readonly times: GossipTimes
  /** Called at every change that a member sees. */
  onChange: (observer: SimMember, seen: Member, before: MemberState | undefined) => void = () =>
    undefined

  constructor(init: BenchInit) {
    const { members, loadsEveryMs: everyMs, lifeguard = true } = init
    this.random = seededRandom(init.seed)
    this.times = lifeguard ? PRESETS[init.preset] : plainSwim(PRESETS[init.preset])
    const map: ClusterMap = nodesMap(members)
    const at = () => simLoad(this.random, members % 300, QUIET)
    this.cluster = new GossipCluster(
      {
        clock: this.clock,
        random: this.random,
        trace: new Trace(),
        observe: (observer, changes) => {
          for (const { member, before } of changes) this.onChange(observer, member, before)
        },
      },
      {
        map,
        keys: [],
        times: this.times,
        faults: PERFECT_LINK,
        ...(everyMs === undefined ? {} : { loads: { everyMs, at } }),
      },
    )
  }

  /** Starts all within a second, and waits until all see all, or not longer than that. */
  start(limitMs = Number.POSITIVE_INFINITY): boolean {
    const { cluster, clock, random } = this
    for (const member of cluster.members.values()) {
      clock.after(random.next() * START_MS, () => cluster.start(member))
    }
    this.wait(START_MS)
    this.waitUntil(() => clock.nowMs() >= limitMs || this.agreed(), SETTLED_EVERY_MS)
    return this.agreed()
  }

  /**
   * The same, of members that know each other already: for figures of a cluster that has been up
   * for long. What members say when they start has been said when it returns.
   */
  startWarm(): void {
    this.cluster.startWarm(SIM_CAPACITY)
    this.wait(this.times.probeIntervalMs)
    this.waitUntil(() => this.agreed(), SETTLED_EVERY_MS)
  }

  wait(durationMs: number): void {
    this.clock.runUntil(this.clock.nowMs() + durationMs)
  }

  /** Looks every `everyMs`. */
  waitUntil(done: () => boolean, everyMs = 1): void {
    while (!done()) this.wait(everyMs)
  }

  member(index: number): SimMember {
    return this.cluster.members.get(`n${index}`)!
  }

  sees(observer: SimMember, id: string): string {
    return observer.endpoint!.core.member(id, this.clock.nowMs())!.state
  }

  agreed(): boolean {
    for (const { endpoint } of this.cluster.running()) {
      for (const entry of endpoint!.core.entries) if (seenState(entry) !== 'alive') return false
    }
    return true
  }
}

/** SWIM without Lifeguard: one length of suspicion, and nobody doubts itself. */
export function plainSwim(times: GossipTimes): GossipTimes {
  return { ...times, lifeguard: false, suspicionMaxMult: 1, confirmations: 0 }
}
