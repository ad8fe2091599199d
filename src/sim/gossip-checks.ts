import { compareStandings, type Standing } from '../gossip/claim.ts'
import { seenState } from '../gossip/member-table.ts'
import type { Member, MemberChange, MemberState } from '../gossip/types.ts'
import type { GossipCluster, SimMember } from './gossip-cluster.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Enough to see what is wrong. */
const VIOLATIONS_MAX = 20
/** The loads of the simulation carry the time of their measurement in whole microseconds. */
const AGE_ROUNDING_MS = 0.01

/**
 * What must hold in every run, checked at every change (the checkers of al8n/memberlist's VOPR,
 * and the board's): what is known of a member never goes back; bad news is overcome only by the
 * member itself; nobody holds of a member what it never said; one version has one meta; nobody
 * holds itself for gone; tables stay bounded; a load is never older than its age says.
 */
export class GossipChecks {
  readonly violations: string[] = []
  readonly stats = {
    changes: 0,
    transitions: 0,
    suspicions: 0,
    falseUnreachable: 0,
    refutations: 0,
  }
  readonly #clock: VirtualClock
  /** What each life of each member saw last of every other. */
  readonly #seen = new WeakMap<object, Map<string, Standing>>()
  /** And the state that it was told to have. */
  readonly #shown = new WeakMap<object, Map<string, MemberState>>()
  /** The greatest that each member ever said of itself. */
  readonly #said = new Map<string, Standing>()
  readonly #metas = new Map<string, string>()

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  observe(cluster: GossipCluster, observer: SimMember, changes: readonly MemberChange[]): void {
    const { endpoint } = observer
    if (!endpoint) return
    if (changes.length > 0) this.#checkSelf(observer)
    for (const change of changes) this.#checkChange(cluster, observer, change)
    this.#checkPairs(observer, changes)
    const { members, news, rows } = endpoint.core.sizes
    const { nodes, fronts, join } = observer.map
    const membersMax = nodes.length + fronts.length + 1 + 2 * (join?.max ?? 0)
    if (members > membersMax || news > members || rows > members) {
      this.#violate(observer, `Boundedness: ${members} members, ${news} news, ${rows} rows`)
    }
  }

  /** Everybody's picture of the loads; called now and then. */
  checkAges(cluster: GossipCluster): void {
    const nowMs = this.#clock.nowMs()
    for (const observer of cluster.running()) {
      for (const { id, load, bornMs } of observer.endpoint!.core.rows) {
        const trueMs = load.workers / 1_000
        if (bornMs >= trueMs - AGE_ROUNDING_MS) continue
        const ages = `${nowMs - trueMs} ms old, not ${nowMs - bornMs}`
        this.#violate(observer, `LoadAge: ${id}'s load is ${ages}`)
      }
    }
  }

  /** What is still to be agreed on; undefined when all that run see each other as they are. */
  disagreement(cluster: GossipCluster): string | undefined {
    const running = cluster.running()
    const truths = new Map(running.map(({ id, endpoint }) => [id, endpoint!.core.claimOf(id)!]))
    for (const observer of running) {
      for (const entry of observer.endpoint!.core.entries) {
        const { id } = entry.place
        const state = seenState(entry)
        const seen = { state, boot: entry.boot, version: entry.version }
        if (!agrees(seen, truths.get(id))) return `${observer.id} holds ${id} for ${state}`
      }
      for (const { id, joining, leaving } of running) {
        const isUnknown = joining && !leaving && !observer.endpoint!.core.claimOf(id)
        if (isUnknown) return `${observer.id} does not know ${id}, which has joined`
      }
    }
    return undefined
  }

  #checkSelf(observer: SimMember): void {
    const self = observer.endpoint!.core.member(observer.id, this.#clock.nowMs())!
    if (self.state !== (observer.leaving ? 'left' : 'alive')) {
      this.#violate(observer, `SelfLiveness: holds itself for ${self.state}`)
    }
    const said = this.#said.get(observer.id)
    if (!said || compareStandings(self, said) > 0) this.#said.set(observer.id, standing(self))
  }

  #checkChange(cluster: GossipCluster, observer: SimMember, change: MemberChange): void {
    const { member, before } = change
    this.stats.changes++
    const told = observer.endpoint!.core.claimOf(member.id)
    if (!told || told.boot === 0) return
    if (before !== member.state) this.stats.transitions++
    if (member.state === told.state) this.#checkTold(observer, member)
    this.#checkSource(observer, member)
    this.#count(cluster, observer, change)
  }

  /** What is told as the state before is what was told last; who has left does not half come back. */
  #checkPairs(observer: SimMember, changes: readonly MemberChange[]): void {
    const { core } = observer.endpoint!
    const shown = of(this.#shown, observer)
    const checked = new Set<string>()
    for (const { member, before } of changes) {
      const { id, state } = member
      const last = shown.get(id)
      // Several changes of one event all tell the state after the last.
      if (last !== undefined && before !== undefined && before !== last && !checked.has(id)) {
        this.#violate(
          observer,
          `IllegalPair: ${id} was ${last}, and is told to have been ${before}`,
        )
      }
      checked.add(id)
      shown.set(id, state)
      if (core.claimOf(id)) continue
      // Forgotten: whatever is heard of it next is new.
      shown.delete(id)
      of(this.#seen, observer).delete(id)
    }
  }

  /** A doubt that is told to nobody may come and go; what is told may not. */
  #checkTold(observer: SimMember, told: Member): void {
    const seen = of(this.#seen, observer)
    const last = seen.get(told.id)
    seen.set(told.id, standing(told))
    if (!last) return
    const order = compareStandings(told, last)
    if (order < 0) this.#violate(observer, `IncarnationMonotonic: ${show(last)} > ${show(told)}`)
    if (last.state === 'left' && told.state !== 'alive' && told.state !== 'left') {
      const isSame = told.boot === last.boot && told.version === last.version
      if (isSame) this.#violate(observer, `IllegalPair: ${show(last)} > ${show(told)}`)
    }
    const revived = isGone(last) && !isGone(told)
    if (revived && told.boot === last.boot && told.version <= last.version) {
      this.#violate(observer, `NoResurrection: ${show(last)} > ${show(told)}`)
    }
  }

  #checkSource(observer: SimMember, member: Member): void {
    const said = this.#said.get(member.id)
    const known = said && { ...said, state: 'left' as const }
    if (known && compareStandings(member, known) > 0) {
      this.#violate(observer, `SelfIncarnation: ${member.id} never said ${show(member)}`)
    }
    const life = `${member.id} ${member.boot} ${member.version}`
    const meta = JSON.stringify(member.meta)
    const known1 = this.#metas.get(life)
    if (known1 === undefined) this.#metas.set(life, meta)
    else if (known1 !== meta) this.#violate(observer, `MetaPerIncarnation: ${life}`)
  }

  #count(cluster: GossipCluster, observer: SimMember, { member, before }: MemberChange): void {
    if (member.id === observer.id && before === 'alive') this.stats.refutations++
    if (member.state === 'suspect') this.stats.suspicions++
    if (member.state !== 'unreachable') return
    const truth = cluster.members.get(member.id)
    if (truth?.endpoint && !truth.paused) this.stats.falseUnreachable++
  }

  #violate(observer: SimMember, what: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return
    this.violations.push(`${this.#clock.nowMs().toFixed(1)} ms, at ${observer.id}: ${what}`)
  }
}

/** What is kept of this life of the observer. */
function of<T>(kept: WeakMap<object, Map<string, T>>, { endpoint }: SimMember): Map<string, T> {
  const known = kept.get(endpoint!)
  if (known) return known
  const made = new Map<string, T>()
  kept.set(endpoint!, made)
  return made
}

function isGone({ state }: Standing): boolean {
  return state === 'unreachable' || state === 'left'
}

function agrees(seen: Standing, truth: Standing | undefined): boolean {
  if (!truth || truth.state === 'left') return seen.state === 'unreachable' || seen.state === 'left'
  return compareStandings(seen, truth) === 0
}

function standing({ state, boot, version }: Standing): Standing {
  return { state, boot, version }
}

function show({ state, boot, version }: Standing): string {
  return `${state}@${boot}.${version}`
}
