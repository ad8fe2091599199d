/**
 * Calls on the data port: node to node, and front to node. `POST /rpc/<name>`, JSON both ways, an
 * `ErrorBody` with its status when it fails. The front's and the nodes' admin APIs are made of them.
 */
import type { NodeEntry } from './config/schema.ts'
import type { WorkerId } from './identity.ts'
import type { JobInfo, JobSpec } from './jobs/job.ts'
import type { JobUsage } from './jobs/keeper/ipc.ts'
import type { Decision } from './placement/types.ts'
import type { OwnerAddress } from './wire.ts'
import type { WorkerOrder } from './worker-order.ts'

export interface WorkerInfo {
  readonly class: string
  readonly key: string
  readonly node: string
  readonly epoch: number
  readonly seq: number
  /** Encoded size of the state. */
  readonly stateBytes: number
  /**
   * Its state, and its part of what else is on the heap of its host process: by what its turns
   * allocated lately, for nobody can see whose an object is. With a process to itself: that process.
   */
  readonly memoryBytes: number
  readonly sections: number
  readonly requestsPerSecond: number
  /** Part of one core: its turns, and its share of what its host process does for all turns. */
  readonly cpuShare: number
  /** Requests, answers and messages, in and out. */
  readonly ioBytesPerSecond: number
  /** Of the code that it runs: raised by each deploy. */
  readonly generation: number
  /** Since it was opened on this node. */
  readonly ageMs: number
  readonly sessions: number
  readonly queued: number
  /** Node that has a copy of the state in step with it; undefined when none has. */
  readonly standby?: string
  /** It takes no requests: see `aries freeze`. */
  readonly frozen?: true
  /** It does nothing and has no instance; whatever comes for it wakes it. */
  readonly asleep: boolean
  /** Why it cannot move now; undefined when it can. */
  readonly cannotMove?: string
  /** Those that it has most to do with, in messages: other workers, tasks and fronts. */
  readonly traffic?: readonly WorkerTraffic[]
}

/** What passes between a worker and another worker, or all tasks of a node, or a machine's fronts. */
export interface WorkerTraffic {
  /** The other worker, see `formatWorkerId`. */
  readonly with?: string
  /** The node that it is on; of tasks, theirs. Absent: only the address is known. */
  readonly node?: string
  readonly address?: string
  readonly messagesPerSecond: number
  readonly bytesPerSecond: number
}

/** Workers in one answer. */
export const WORKERS_LIMIT_MAX = 10_000

/** Letters that workers are filtered by. */
export const CONTAINS_MAX = 200

/** Which workers of all are wanted: the first `limit` of an order. */
export interface WorkersQuery {
  readonly order: WorkerOrder
  readonly limit: number
  /** Only those whose `class/key` has this in it, in whatever case. */
  readonly contains?: string
  /** By name only: those after this one. */
  readonly after?: WorkerId
}

export interface MovePhase {
  readonly name: 'prepare' | 'copy' | 'fence' | 'commit' | 'switch'
  readonly ms: number
}

export interface MoveReport {
  readonly class: string
  readonly key: string
  readonly from: string
  readonly to: string
  readonly fromEpoch: number
  readonly toEpoch: number
  readonly bytes: number
  readonly sessions: number
  /** Requests that waited at the source and were answered by the target. */
  readonly carried: number
  readonly phases: readonly MovePhase[]
  /** From the closed mailbox at the source to the open one at the target, as the source saw it. */
  readonly stallMs: number
  /** Part of the stall that the store took: to finish the last turns, and for the COMMIT. */
  readonly commitMs: number
}

export interface RecoverReport {
  readonly class: string
  readonly key: string
  /** Of the checkpoint: its last turn, and the version of the class that wrote it. */
  readonly seq: number
  readonly version: number
  /** The new epoch. */
  readonly epoch: number
  /** The node that had it open and did not answer: until it does it may still answer old reads. */
  readonly untold?: string
}

/** A worker with what is remembered of it: `aries explain` and `GET /api/workers/{class}/{key}`. */
export interface WorkerDetail extends WorkerInfo {
  /** The last one about where it lives, whichever node made it. */
  readonly decision?: Decision
  /** Those before, newest first. */
  readonly earlier?: readonly Decision[]
  readonly lastMove?: MoveReport
}

export interface DrainReport {
  readonly node: string
  readonly moved: number
  readonly left: readonly { readonly worker: string; readonly why: string }[]
  /** Ids of jobs that still run there. */
  readonly jobs: readonly string[]
  readonly ms: number
}

/** How the note of a node begins that has a deploy under way. */
export const DEPLOYING = 'new code is being deployed'

/** New code on one node. */
export interface DeployReport {
  readonly node: string
  /** Of the new code. */
  readonly generation: number
  /** Workers that moved into a process with the new code. */
  readonly moved: number
  /** Workers that stayed in one with the old code. */
  readonly left: number
  /** Why it stopped; null when the new code is in force. */
  readonly failure: string | null
  readonly ms: number
}

/** Name → parameters and result. */
export interface Rpc {
  /** Any node: who owns the worker? Places, claims and opens it when nobody does. */
  resolve: {
    params: WorkerId & {
      /** An owner that the caller could not reach: do not answer it again unchecked. */
      readonly suspect?: { readonly node: string; readonly epoch: number }
    }
    result: OwnerAddress
  }
  /** The chosen node: claim the worker from that epoch and open it (or say where it is open). */
  activate: {
    params: WorkerId & {
      readonly decision?: Decision
      /** The epoch of a living owner that cannot open it and gives it up. */
      readonly handOver?: number
    }
    result: OwnerAddress
  }
  /** The open workers of the node. */
  workers: { params: WorkersQuery; result: readonly WorkerInfo[] }
  /** What this node remembers of the worker, owner or not: the newest of all nodes' answers counts. */
  recall: {
    params: WorkerId
    result: {
      /** Of the node that has it open. */
      readonly info?: WorkerInfo
      readonly decision?: Decision
      readonly earlier?: readonly Decision[]
      readonly lastMove?: MoveReport
    }
  }
  /** Any node of the map: let in a node that the map does not have; `boot`: its life in gossip. */
  join: {
    params: Pick<NodeEntry, 'id' | 'host' | 'gossip' | 'data' | 'admin'> & {
      readonly cluster: string
      readonly boot: number
    }
    result: Record<string, never>
  }
  /** Is anybody there? Asked before a node is evicted. */
  ping: { params: Record<string, never>; result: { readonly incarnation: number } }
  /** Any node: find the owner and have it move the worker. */
  move: { params: WorkerId & { readonly to: string }; result: MoveReport }
  /** Any node: find the owner and have it take no requests, or take them again. */
  freeze: { params: WorkerId & { readonly freeze: boolean }; result: Record<string, never> }
  /** The worker belongs to another under `epoch`: drop what is open of an older one. */
  forget: { params: WorkerId & { readonly epoch: number }; result: Record<string, never> }
  /** The target of a move: the port of the host process that the worker is to come to. */
  berth: { params: WorkerId; result: { readonly port: number } }
  /** The node itself; answers when it is done. */
  drain: { params: Record<string, never>; result: DrainReport }
  /** Any node: take a job, have it started where it costs least, or queue it. */
  jobsubmit: { params: JobSpec; result: JobInfo }
  /** The chosen node: start what the queue has for it, this job among them if there is room. */
  jobhint: { params: { readonly id: string }; result: { readonly started: boolean } }
  /** Any node: the jobs of the cluster, with `past` also those that have ended. */
  jobs: { params: { readonly past: boolean; readonly limit: number }; result: readonly JobInfo[] }
  job: { params: { readonly id: string }; result: JobInfo }
  /** The node itself: what its jobs use, by id. */
  jobusage: { params: Record<string, never>; result: readonly JobUsage[] }
  /** Any node: end the job, or send it that signal. */
  jobkill: { params: { readonly id: string; readonly signal?: string }; result: JobInfo }
  /** The node itself: run the code as it is on disk now; answers when it is done. */
  deploy: { params: { readonly generation: number }; result: DeployReport }
  /** The node itself: end in order and start anew. Answers at once. */
  restart: { params: Record<string, never>; result: Record<string, never> }
  undrain: { params: Record<string, never>; result: Record<string, never> }
  cordon: { params: Record<string, never>; result: Record<string, never> }
  /** The node's own view, for `aries status`. */
  status: { params: Record<string, never>; result: NodeStatusInfo }
}

export type RpcName = keyof Rpc

/** A process of a node. */
export interface ProcessInfo {
  /** `spare`: a host without a worker, for when one dies. `keeper`: of the node's jobs. */
  readonly role: 'pool' | 'host' | 'spare' | 'keeper'
  readonly pid: number
  /** 0 while it does not listen. */
  readonly port: number
  /** Of the code that it loaded: raised by each deploy. */
  readonly generation: number
  readonly restarts: number
  /** The only worker that may live in it. */
  readonly worker?: string
}

export interface NodeStatusInfo {
  readonly id: string
  readonly role: 'front' | 'node'
  readonly version: string
  readonly pid: number
  readonly uptimeMs: number
  readonly ready: boolean
  /** Why it is not ready, and what is wrong though it is: a refused configuration, a lost store. */
  readonly notes: readonly string[]
  readonly mapEpoch: number
  /** Answered lately, tasks and turns of workers; absent for a front. */
  readonly requestsPerSecond?: number
  readonly processes: readonly ProcessInfo[]
}
