import type { ClusterMap } from '../config/schema.ts'
import { type GossipTimes, PRESETS, type PresetName } from '../gossip/presets.ts'
import type { Member, MemberState } from '../gossip/types.ts'
import { type Random, seededRandom } from '../world.ts'
import { GossipCluster, type SimMember } from './gossip-cluster.ts'
import { simLoad } from './gossip-load.ts'
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
    const at = () => simLoad(this.random, members % 300, 1_000)
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

  /** Starts all, and waits until all see all. */
  start(): void {
    for (const member of this.cluster.members.values()) this.cluster.start(member)
    this.waitUntil(() => this.#agreed(), SETTLED_EVERY_MS)
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

  #agreed(): boolean {
    const nowMs = this.clock.nowMs()
    return this.cluster
      .running()
      .every(({ endpoint }) =>
        endpoint!.core.members(nowMs).every(({ state }) => state === 'alive'),
      )
  }
}

/** SWIM without Lifeguard: one length of suspicion, and nobody doubts itself. */
export function plainSwim(times: GossipTimes): GossipTimes {
  return { ...times, lifeguard: false, suspicionMaxMult: 1, confirmations: 0 }
}
