import type { LoadVector, Membership } from '../gossip/types.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import { choose } from '../placement/choose.ts'
import { WORKER_DEMAND } from '../placement/cost.ts'
import { Decisions } from '../placement/decisions.ts'
import { rendezvous } from '../placement/rendezvous.ts'
import type { Candidate, Decision } from '../placement/types.ts'
import type { MoveReport } from '../rpc.ts'
import type { HostAddress } from '../wire.ts'
import type { World } from '../world.ts'

const MOVES_REMEMBERED = 1_000
const DECISIONS_REMEMBERED = 10_000

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
  readonly #decisions = new Decisions({ workersMax: DECISIONS_REMEMBERED })
  readonly #moves = new Map<string, MoveReport>()
  /** Per node: the load that was last seen, and how many workers were sent there since. */
  readonly #sent = new Map<string, { load: LoadVector | undefined; count: number }>()

  constructor(components: { membership: Membership; world: World }, init: PlacerInit) {
    this.#membership = components.membership
    this.#world = components.world
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
        sentSince: this.#sentSince(member.id, member.load),
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

  /** Chooses a node for the worker and counts it as sent there. */
  place(
    id: WorkerId,
    why: Decision['why'],
    refused: ReadonlySet<string> = new Set(),
    except?: string,
  ): Decision {
    return this.#count(this.#decide(id, why, refused, except))
  }

  /** As `place`, for a worker whose owner is gone: its standby takes it, if its class has one. */
  failover(id: WorkerId, lastOwner: string, refused: ReadonlySet<string> = new Set()): Decision {
    const decision = this.#decide(id, 'failover', refused)
    const standby = this.#init.hasStandby(id.class)
      ? this.#standbyOf(id, lastOwner, refused)
      : undefined
    return this.#count(
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
  #standbyOf(id: WorkerId, lastOwner: string, refused: ReadonlySet<string>): string | undefined {
    const nodes = this.#membership
      .members()
      .filter(({ role, id: node }) => role === 'node' && node !== lastOwner)
      .filter(({ id: node }) => this.exclusion(node) === undefined)
    const standby = rendezvous(formatWorkerId(id), nodes, (member) => member.id)?.id
    return standby !== undefined && refused.has(standby) ? undefined : standby
  }

  #decide(
    id: WorkerId,
    why: Decision['why'],
    refused: ReadonlySet<string>,
    except?: string,
  ): Decision {
    const candidates = this.candidates()
    const choice = choose(candidates, WORKER_DEMAND, {
      random: this.#world.random,
      sample: this.#init.candidates(),
      nMachines: Math.max(2, candidates.length),
      local: this.#init.node,
      refused,
      excluded: (node) => (node === except ? 'moves off' : this.exclusion(node)),
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

  #count(decision: Decision): Decision {
    if (decision.chosen !== undefined) this.sentTo(decision.chosen)
    return decision
  }

  /** A decision that an operator took: the candidates are shown beside it. */
  decided(id: WorkerId, to: string, why: Decision['why']): Decision {
    return { ...this.place(id, why), chosen: to }
  }

  /** Counts one more worker on its way to the node. */
  sentTo(node: string): void {
    const sent = this.#sent.get(node)
    if (sent) sent.count++
    else this.#sent.set(node, { load: this.#membership.member(node)?.load, count: 1 })
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

  recall(id: WorkerId): { decision?: Decision; lastMove?: MoveReport } {
    const name = formatWorkerId(id)
    const decision = this.#decisions.last(name)
    const lastMove = this.#moves.get(name)
    return { ...(decision && { decision }), ...(lastMove && { lastMove }) }
  }

  #sentSince(node: string, load: LoadVector): number {
    const sent = this.#sent.get(node)
    if (!sent) return 0
    if (sent.load !== load) {
      this.#sent.set(node, { load, count: 0 })
      return 0
    }
    return sent.count
  }
}
