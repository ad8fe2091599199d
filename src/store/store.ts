/**
 * The store keeps owner records and committed state. It alone decides who owns a worker: gossip
 * tells who is probably alive, an epoch that only the store can raise makes every zombie harmless.
 *
 * Rules that every implementation keeps, each in one transaction with the write it guards:
 *  - a commit or claim by a node incarnation that is not active is refused (`fenced`);
 *  - a commit under an epoch that is not the worker's current one, by another than its owner, or of
 *    a turn that is not the one after the last committed, is refused (`fenced`), and with it all
 *    later turns of that worker in the same call;
 *  - a claim names the epoch it saw and succeeds only when that is still the current one;
 *  - a takeover needs the last owner's incarnation to be gone (evicted, left or superseded), or to
 *    be the claimer itself; a handover (the COMMIT of a move) needs only the epoch;
 *  - a claim that names the version of its class is refused when the state is of a newer one. Who
 *    owns a worker under an epoch alone writes under it, so that what it then loads cannot become
 *    newer beneath it;
 *  - the record keeps which host process the claim was made for, so that two hosts of one node can
 *    tell whose claim won.
 *
 * Every call may reject with `ARIES_E_STORE`. A `commit` or `claim` that rejects may nevertheless
 * have been done (the answer was lost): read the truth with `owner` and `load` before going on.
 * Names (class, key, section) are Unicode text without NUL; see `check.ts`.
 */
import type { WorkerId } from '../identity.ts'

/** Raised by one at each registration of the node; older incarnations are void from then on. */
export type Incarnation = number
/** Number of a host process, unique within an incarnation of its node; 0: of before there were any. */
export type HostId = number
/** Raised by one at each change of owner. 0: the worker does not exist yet. */
export type Epoch = number

export type NodeStatus = 'active' | 'evicted' | 'left'

export interface NodeRecord {
  readonly id: string
  readonly incarnation: Incarnation
  readonly status: NodeStatus
  /** Wall clock of the store, milliseconds; after it an active node is known to have stopped. */
  readonly leaseUntilMs: number
}

/** A node that ends the incarnation of another. */
export interface Evictor {
  readonly node: string
  readonly incarnation: Incarnation
}

export interface OwnerRecord {
  readonly id: WorkerId
  readonly node: string
  readonly incarnation: Incarnation
  /** The host process that may open it under this epoch: as its claimer said. */
  readonly host: HostId
  readonly epoch: Epoch
  /** Number of the last committed turn. */
  readonly seq: number
  /** Version of the class that its state was written by; 0 while nothing was. */
  readonly version: number
  /** True while the owner's incarnation is the node's current one and active. */
  readonly ownerActive: boolean
}

/** One named part of a worker's state, encoded; see `src/worker/state.ts`. */
export interface Section {
  readonly name: string
  readonly value: Uint8Array
}

export interface ClaimRequest {
  readonly id: WorkerId
  /** The epoch of the owner record that the claimer saw; 0 to create the worker. */
  readonly fromEpoch: Epoch
  readonly node: string
  readonly incarnation: Incarnation
  /** The host process that it is claimed for. */
  readonly host: HostId
  readonly mode: 'takeover' | 'handover'
  /** Version of the class at the claimer: a newer state is refused to it. Undefined: not looked at. */
  readonly classVersion?: number
}

/**
 * `conflict`: another epoch is current. `owner-active`: a takeover from a living owner. `fenced`:
 * the claimer itself is void. `class-older`: the state was written by a newer version of the class.
 */
export type ClaimRefusal = 'conflict' | 'owner-active' | 'fenced' | 'class-older'

export type ClaimResult =
  | { readonly ok: true; readonly epoch: Epoch; readonly seq: number }
  | {
      readonly ok: false
      readonly reason: ClaimRefusal
      /** The record as it stands, when there is one. */
      readonly owner?: OwnerRecord
    }

/** What one turn of one worker changed: applied whole or not at all. */
export interface CommitRecord {
  readonly id: WorkerId
  readonly epoch: Epoch
  /** Number of the turn; one more than the last committed. */
  readonly seq: number
  /** A name that is in `remove` too is set. Values stay as they are until the call is answered. */
  readonly set: readonly Section[]
  readonly remove: readonly string[]
  /** Version of the class that the state is of from this turn on; undefined: as before. */
  readonly version?: number
}

export type CommitResult = 'ok' | 'fenced'

export interface LoadedWorker {
  readonly epoch: Epoch
  readonly seq: number
  /** As in `OwnerRecord`. */
  readonly version: number
  readonly sections: readonly Section[]
}

export interface DueAlarm {
  readonly id: WorkerId
  readonly dueMs: number
}

export type JobState = 'queued' | 'running' | 'ended' | 'lost'

/** A job as the store keeps it; what it does stands in `body`, which the store does not read. */
export interface JobRow {
  readonly id: string
  /** Raised by one at each write. */
  readonly version: number
  readonly state: JobState
  /** Who runs it or ran it last, under which incarnation; empty and 0 while nobody did. */
  readonly node: string
  readonly incarnation: Incarnation
  /** Text, at most `JOB_BODY_BYTES_MAX`. */
  readonly body: string
}

export interface JobRecord extends JobRow {
  /** Since it was first written, milliseconds of the store's clock. */
  readonly ageMs: number
  /** True while the incarnation that it names is its node's current one and active. */
  readonly nodeActive: boolean
  /** True when that incarnation runs it no more: superseded, or its lease is over as well. */
  readonly nodeGone: boolean
}

export interface JobWrite {
  /** Its `version` is the one that it replaces; 0 to make it. */
  readonly row: JobRow
  /** Who writes: fenced unless active. */
  readonly by: Evictor
  /** Made only while fewer than so many are queued. */
  readonly queueMax?: number
}

/** `conflict`: another version is current, or for 0: there is one of that id. */
export type JobWriteResult = 'ok' | 'conflict' | 'fenced' | 'full'

/** Records of jobs: see `src/jobs/`. Each write is one compare-and-set, guarded like a commit. */
export interface JobStore {
  job(id: string): Promise<JobRecord | undefined>
  /** `live`: queued or running, the oldest first; `past`: ended or lost, the newest first. */
  jobs(which: 'live' | 'past', limit: number): Promise<JobRecord[]>
  writeJob(write: JobWrite): Promise<JobWriteResult>
  /** Forgets jobs of the past: those beyond the newest `keep`, and those older than `keepMs`. */
  forgetJobs(keep: number, keepMs: number): Promise<void>
}

export interface Store extends JobStore {
  /** For logs and `aries status`; never holds a password. */
  readonly description: string

  /** Makes a new incarnation of the node, active, and voids the older ones. */
  register(node: string, leaseMs: number): Promise<Incarnation>
  /** Extends the lease; false when the incarnation is no longer active (the node must stop). */
  renew(node: string, incarnation: Incarnation, leaseMs: number): Promise<boolean>
  /** A planned end; idempotent. */
  leave(node: string, incarnation: Incarnation): Promise<void>
  /**
   * Ends an incarnation that others found dead. True when this call did it. `by`, who found it dead,
   * must be active itself: a node that was cut off, and evicted, evicts nobody when it is back.
   * Undefined: an operator, whom nothing hinders.
   */
  evict(node: string, incarnation: Incarnation, by?: Evictor): Promise<boolean>
  nodes(): Promise<NodeRecord[]>
  /**
   * Calls back soon after an incarnation of the node was evicted, also when that was before, and
   * perhaps more than once: ask `renew` for the truth. Until the function that it gives is called.
   */
  watch(node: string, onEvicted: () => void): () => void

  owner(id: WorkerId): Promise<OwnerRecord | undefined>
  /** Owned workers of a node (any incarnation), in order of class and key, after `after`. */
  ownedBy(node: string, limit: number, after?: WorkerId): Promise<OwnerRecord[]>
  /** True for everybody from then on; it outlives what ends them all as soon as a commit under it does. */
  claim(request: ClaimRequest): Promise<ClaimResult>
  /**
   * Group commit: one transaction, one result per record in order. Durable when it resolves. Without
   * a record it tells whether the store can be written to.
   */
  commit(
    node: string,
    incarnation: Incarnation,
    records: readonly CommitRecord[],
  ): Promise<CommitResult[]>
  load(id: WorkerId): Promise<LoadedWorker | undefined>
  /**
   * Workers whose alarm is due after `afterMs` and not after `beforeMs`, the longest due first.
   * Wall clock, milliseconds.
   */
  dueAlarms(afterMs: number, beforeMs: number, limit: number): Promise<DueAlarm[]>

  /** Finishes what was begun and refuses what comes after; idempotent. */
  close(): Promise<void>
}
