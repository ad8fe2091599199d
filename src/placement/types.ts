/** Words of placement: what is compared, what came out, and why. */
import type { LoadVector } from '../gossip/types.ts'
import type { Affinity } from './affinity.ts'

/** A node as placement sees it. */
export interface Candidate {
  readonly id: string
  readonly load: LoadVector
  readonly loadAgeMs: number
  /** Work that the chooser sent since that load was told: counted on top of it. */
  readonly sentSince: number
  /** Multiplies the marginal cost: slow start, penalty of recent failures. 1: none. */
  readonly repel: number
}

/** What the work to place is expected to use. */
export interface Demand {
  readonly cpu: number
  /** Part of the event loop of the workers; default none. */
  readonly loop?: number
  readonly memoryBytes: number
  readonly requests: number
  readonly connections: number
  /** Default none. */
  readonly ioBytesPerSecond?: number
  /** 1 for a worker, 0 for a request. */
  readonly workers: number
}

/** A worker that lives here, as rebalancing, ushering and failover see it. */
export interface Movable {
  /** `class/key`, see `formatWorkerId`. */
  readonly id: string
  readonly demand: Demand
  readonly stateBytes: number
  /** Since it was opened on this node. */
  readonly ageMs: number
  /** Why it cannot move now; undefined when it can. */
  readonly cannotMove?: string
  /** It is not moved for the sake of balance; see `stay` of a class. */
  readonly stays?: boolean
  /** What speaks for places besides their machines. */
  readonly affinity?: Affinity | undefined
}

/** What a node would like to move where. The driver runs the moves of one pair one by one. */
export interface MoveProposal {
  readonly worker: string
  readonly to: string
  /** Cost that is given up here and cost that is added there. */
  readonly givenUp: number
  readonly added: number
  /** This node, and the peers that were looked at. */
  readonly costs: readonly CandidateCost[]
}

export interface CandidateCost {
  readonly id: string
  /** Cost of the machine now, and what the demand would add. */
  readonly cost: number
  readonly marginal: number
  /** What the place costs besides: how far it is, and who of its class is there. Absent: nothing. */
  readonly place?: number
  readonly loadAgeMs: number
  /** Why it was not taken into account, when it was not: `cordoned`, `no memory`, `pinned to n1`, … */
  readonly excluded?: string
}

/** One decision, kept to be explained: `aries explain`. */
export interface Decision {
  readonly atMs: number
  readonly subject: string
  readonly why:
    | 'create'
    | 'failover'
    /** A failover to the node that had a copy of the state: see `Standby`. */
    | 'standby'
    | 'drain'
    | 'rebalance'
    | 'usher'
    | 'operator'
    | 'request'
  readonly by: string
  readonly candidates: readonly CandidateCost[]
  readonly chosen: string | undefined
  /** What came of it, when it did not come to pass: the move was refused, or given up. */
  readonly failure?: string
}
