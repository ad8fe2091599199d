import { PRESETS, type PresetName } from '../gossip/presets.ts'
import { type Random, randomInt, seededRandom } from '../world.ts'
import type { SeedResult, SimArea } from './area.ts'
import { GossipChecks } from './gossip-checks.ts'
import { GossipCluster } from './gossip-cluster.ts'
import { GossipFaults, randomLink } from './gossip-faults.ts'
import { simLoad } from './gossip-load.ts'
import { nodesMap } from './gossip-map.ts'
import { Trace } from './trace.ts'
import { VirtualClock } from './virtual-clock.ts'
import { PERFECT_LINK } from './virtual-network.ts'

const FRONTS = 2

/** Virtual times of one run, by the preset that it runs with. */
interface Span {
  readonly faultsMs: number
  readonly lastMsMax: number
  /** Within this the calm cluster must agree. */
  readonly calmMsMax: number
  readonly quietMs: number
}

const SPANS: Readonly<Record<PresetName, Span>> = {
  quick: { faultsMs: 6_000, lastMsMax: 2_000, calmMsMax: 30_000, quietMs: 1_500 },
  local: { faultsMs: 8_000, lastMsMax: 3_000, calmMsMax: 60_000, quietMs: 2_000 },
  lan: { faultsMs: 30_000, lastMsMax: 15_000, calmMsMax: 600_000, quietMs: 5_000 },
  wan: { faultsMs: 100_000, lastMsMax: 60_000, calmMsMax: 3_600_000, quietMs: 20_000 },
}
const STEP_MS = 100
/** Now and then one is overloaded. */
const LOADS = { requestsMax: 100, strained: 0.02 }
/** Probe intervals after which a node that joined and is dead is forgotten. */
const FORGET = 60

/** Five to a hundred real gossip cores on a network that loses, with crashes, pauses, partitions, new maps. */
export const gossipArea = {
  name: 'gossip',
  about: 'membership, failure detection and the board: 5 to 100 members under faults',
  runSeed(seed: number, { quick }: { quick: boolean }): SeedResult {
    return new GossipRun(seed, quick).run()
  },
} satisfies SimArea

class GossipRun {
  readonly #clock = new VirtualClock()
  readonly #trace = new Trace()
  readonly #random: Random
  readonly #checks: GossipChecks
  readonly #cluster: GossipCluster
  readonly #faults: GossipFaults
  readonly #span: Span

  constructor(seed: number, quick: boolean) {
    this.#random = seededRandom(seed)
    const clock = this.#clock
    const random = this.#random
    const preset = pickPreset(random, quick)
    const forgetMs = FORGET * PRESETS[preset].probeIntervalMs
    const map = { ...nodesMap(pickNodes(random, quick), FRONTS), join: { max: 8, forgetMs } }
    this.#span = SPANS[preset]
    this.#checks = new GossipChecks(clock)
    const keys = random.next() < 0.1 ? ['a cluster key'] : []
    const faults = randomLink(random, 0.1)
    this.#cluster = new GossipCluster(
      {
        clock,
        random,
        trace: this.#trace,
        observe: (member, changes) => this.#checks.observe(this.#cluster, member, changes),
      },
      {
        map,
        keys,
        times: PRESETS[preset],
        faults,
        // The time of its measurement, so that its age can be checked; overload now and then.
        loads: { everyMs: 250, at: (nowMs) => simLoad(random, Math.floor(nowMs * 1_000), LOADS) },
      },
    )
    const { faultsMs: untilMs, lastMsMax } = this.#span
    this.#faults = new GossipFaults(
      { clock, random, cluster: this.#cluster },
      { untilMs, lastMsMax, map },
    )
  }

  run(): SeedResult {
    for (const member of this.#cluster.members.values()) {
      const delayMs = this.#random.next() * this.#span.lastMsMax
      this.#clock.after(delayMs, () => this.#cluster.start(member))
    }
    this.#faults.plan()
    this.#wait(this.#span.faultsMs)
    this.#faults.halve()
    this.#wait(this.#span.lastMsMax)
    this.#calm()
    const calmMs = this.#clock.nowMs()
    const agreed = this.#agree()
    const convergeMs = this.#clock.nowMs() - calmMs
    // What was under way in the storm comes to its end first: the longest stretched probe.
    this.#wait(2 * this.#span.quietMs)
    const violations = [...this.#checks.violations]
    if (agreed && this.#agree()) violations.push(...this.#quiet())
    else violations.push(`Convergence: ${this.#checks.disagreement(this.#cluster)} after the calm`)
    return { violations, stats: this.#stats(convergeMs), traceHash: this.#trace.hash() }
  }

  #agree(): boolean {
    const limitMs = this.#clock.nowMs() + this.#span.calmMsMax
    return this.#stepUntil(limitMs, () => !this.#checks.disagreement(this.#cluster))
  }

  #calm(): void {
    this.#cluster.network.heal()
    this.#cluster.network.faults = PERFECT_LINK
    for (const member of this.#cluster.members.values()) this.#cluster.resume(member)
  }

  /**
   * Once all agree and nothing happens, nobody changes its state. (The last words of a member that
   * is gone may still reach one who only knew that it is gone: that changes no state.)
   */
  #quiet(): string[] {
    const before = this.#checks.stats.transitions
    this.#wait(this.#span.quietMs)
    const transitions = this.#checks.stats.transitions - before
    return transitions === 0 ? [] : [`Quiet: ${transitions} transitions after all had agreed`]
  }

  #wait(durationMs: number): void {
    this.#stepUntil(this.#clock.nowMs() + durationMs, () => false)
  }

  #stepUntil(untilMs: number, done: () => boolean): boolean {
    while (this.#clock.nowMs() < untilMs) {
      if (done()) return true
      this.#clock.runUntil(Math.min(this.#clock.nowMs() + STEP_MS, untilMs))
      this.#checks.checkAges(this.#cluster)
    }
    return done()
  }

  #stats(convergeMs: number): Record<string, number> {
    const virtualMs = Math.round(this.#clock.nowMs())
    const { sent, lost } = this.#cluster.network.stats
    return { virtualMs, sent, lost, convergeMs, ...this.#checks.stats }
  }
}

/** Mostly so few that faults meet; seldom many, which take long. */
function pickNodes(random: Random, quick: boolean): number {
  const dice = random.next()
  if (dice < 0.5) return 3 + randomInt(random, 12)
  if (quick || dice < 0.99) return 15 + randomInt(random, 10)
  return 98
}

function pickPreset(random: Random, quick: boolean): PresetName {
  const dice = random.next()
  if (quick || dice < 0.4) return 'quick'
  if (dice < 0.7) return 'local'
  return dice < 0.9 ? 'lan' : 'wan'
}
