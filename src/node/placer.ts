import type { Membership } from '../gossip/types.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import { choose } from '../placement/choose.ts'
import { demandOfClass } from '../placement/class-demand.ts'
import { Decisions } from '../placement/decisions.ts'
import { rendezvous } from '../placement/rendezvous.ts'
import type { Candidate, Decision } from '../placement/types.ts'
import type { MoveReport } from '../rpc.ts'
import type { HostAddress } from '../wire.ts'
import type { World } from '../world.ts'
import type { Affinities } from './affinities.ts'
import type { SentWork } from './sent-work.ts'

const MOVES_REMEMBERED = 1_000
/** So many workers, so many decisions about each. */
const DECISIONS_REMEMBERED = { workersMax: 10_000, perWorkerMax: 5 }

export interface PlacerComponents {
  readonly membership: Membership
  readonly affinities: Affinities
  readonly sent: SentWork
  readonly world: World
}

/** Nodes that would not have a worker, and why. */
export type Refusals = ReadonlyMap<string, string>

export interface PlacerInit {
  readonly node: string
  /** Random nodes that a decision compares. */
  readonly candidates: () => number
  /** Whether the workers of a class have a standby. */
  readonly hasStandby: (className: string) => boolean
}

/**
 * Decides on which node a worker lives, from the board and from what this node itself sent since
 * the last news; remembers why, to be explained.
 */
export class Placer {
  readonly #membership: Membership
  readonly #world: World
  readonly #init: PlacerInit
  readonly #affinities: Affinities
  readonly #sent: SentWork
  readonly #decisions = new Decisions(DECISIONS_REMEMBERED)
  readonly #moves = new Map<string, MoveReport>()

  constructor(components: PlacerComponents, init: PlacerInit) {
    this.#membership = components.membership
    this.#world = components.world
    this.#affinities = components.affinities
    this.#sent = components.sent
    this.#init = init
  }

  /** Every node that has told its load. */
  candidates(): Candidate[] {
    const found: Candidate[] = []
    for (const member of this.#membership.members()) {
      if (member.role !== 'node' || !member.load) continue
      found.push({
        id: member.id,
        load: member.load,
        loadAgeMs: member.loadAgeMs,
        sentSince: this.#sent.count(member.id),
        repel: 1,
      })
    }
    return found
  }

  /** Why no worker may be sent to the node now; undefined when one may. */
  exclusion(node: string): string | undefined {
    const member = this.#membership.member(node)
    if (member?.state !== 'alive') return member?.state ?? 'unknown'
    if (member.meta.draining) return 'draining'
    if (member.meta.cordoned) return 'cordoned'
    if (member.meta.incarnation === 0) return 'not registered'
    if (member.meta.hostPorts.length === 0) return 'no host process'
    return undefined
  }

  /** To be awaited before a decision about the worker: what it may rest on is asked of the store. */
  prepare(id: WorkerId): Promise<void> {
    return this.#affinities.prepare(id)
  }

  /** Chooses a node for the worker and counts it as sent there. */
  place(
    id: WorkerId,
    why: Decision['why'],
    refused: Refusals = new Map(),
    except?: string,
  ): Decision {
    return this.#count(id, this.#decide(id, why, refused, except))
  }

  /** As `place`, for a worker whose owner is gone: its standby takes it, if its class has one. */
  failover(id: WorkerId, lastOwner: string, refused: Refusals = new Map()): Decision {
    const decision = this.#decide(id, 'failover', refused)
    const standby = this.#init.hasStandby(id.class)
      ? this.#standbyOf(id, lastOwner, refused)
      : undefined
    return this.#count(
      id,
      standby === undefined ? decision : { ...decision, why: 'standby', chosen: standby },
    )
  }

  /** The hosts of other nodes that may take workers now; see `rendezvous`. */
  standbyHosts(): HostAddress[] {
    const hosts: HostAddress[] = []
    for (const { role, id, host, meta } of this.#membership.members()) {
      if (role !== 'node' || id === this.#init.node || this.exclusion(id) !== undefined) continue
      hosts.push({ node: id, host, port: meta.hostPorts[0]! })
    }
    return hosts
  }

  /** The node that the last owner had its standby on: both pick it from the same nodes. */
  #standbyOf(id: WorkerId, lastOwner: string, refused: Refusals): string | undefined {
    const affinity = this.#affinities.of(id)
    const nodes = this.#membership
      .members()
      .filter(({ role, id: node }) => role === 'node' && node !== lastOwner)
      .filter(({ id: node }) => this.exclusion(node) === undefined)
    const standby = rendezvous(formatWorkerId(id), nodes, (member) => member.id)?.id
    if (standby === undefined || refused.has(standby)) return undefined
    return affinity?.whyNot?.(standby) === undefined ? standby : undefined
  }

  #decide(id: WorkerId, why: Decision['why'], refused: Refusals, except?: string): Decision {
    const candidates = this.candidates()
    const demand = demandOfClass(
      id.class,
      candidates.map(({ load }) => load),
    )
    const choice = choose(candidates, demand, {
      random: this.#world.random,
      sample: this.#init.candidates(),
      nMachines: Math.max(2, candidates.length),
      local: this.#init.node,
      refused,
      excluded: (node) => (node === except ? 'moves off' : this.exclusion(node)),
      affinity: this.#affinities.of(id),
    })
    return {
      atMs: this.#world.clock.wallMs(),
      subject: formatWorkerId(id),
      why,
      by: this.#init.node,
      candidates: choice.costs,
      chosen: choice.chosen,
    }
  }

  #count(id: WorkerId, decision: Decision): Decision {
    if (decision.chosen !== undefined) this.sentTo(decision.chosen, id)
    return decision
  }

  /** A decision that an operator took: the candidates are shown beside it. */
  decided(id: WorkerId, to: string, why: Decision['why']): Decision {
    return { ...this.place(id, why), chosen: to }
  }

  /** Counts the worker as one more on its way to the node. */
  sentTo(node: string, id: WorkerId): void {
    this.#sent.add(node, id.class)
  }

  remember(id: WorkerId, decision: Decision): void {
    this.#decisions.record({ ...decision, subject: formatWorkerId(id) })
  }

  rememberMove(id: WorkerId, report: MoveReport): void {
    const name = formatWorkerId(id)
    this.#moves.delete(name)
    this.#moves.set(name, report)
    if (this.#moves.size > MOVES_REMEMBERED) this.#moves.delete(this.#moves.keys().next().value!)
  }

  recall(id: WorkerId): {
    decision?: Decision
    earlier?: readonly Decision[]
    lastMove?: MoveReport
  } {
    const name = formatWorkerId(id)
    const [decision, ...earlier] = this.#decisions.last(name)
    const lastMove = this.#moves.get(name)
    return { ...(decision && { decision, earlier }), ...(lastMove && { lastMove }) }
  }
}
