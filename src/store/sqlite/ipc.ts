/** What passes between the store and the thread that makes the SQLite calls. */
import type { ErrorCode } from '../../errors.ts'
import type { WorkerId } from '../../identity.ts'
import type { PackedRecord } from '../pack.ts'
import type {
  ClaimRequest,
  ClaimResult,
  CommitResult,
  DueAlarm,
  Evictor,
  Incarnation,
  JobRecord,
  JobWrite,
  JobWriteResult,
  LoadedWorker,
  NodeRecord,
  OwnerRecord,
} from '../store.ts'

/** A call that changes something; those of one batch are one transaction. */
export type WriteJob =
  | { readonly do: 'register'; readonly node: string; readonly leaseMs: number }
  | {
      readonly do: 'renew'
      readonly node: string
      readonly incarnation: Incarnation
      readonly leaseMs: number
    }
  | {
      readonly do: 'end'
      readonly node: string
      readonly incarnation: Incarnation
      readonly status: 'left' | 'evicted'
      /** See `Store.evict`. */
      readonly by?: Evictor | undefined
    }
  | { readonly do: 'claim'; readonly request: ClaimRequest }
  | { readonly do: 'write-job'; readonly write: JobWrite }
  | { readonly do: 'forget-jobs'; readonly keep: number; readonly keepMs: number }
  | {
      readonly do: 'commit'
      readonly node: string
      readonly incarnation: Incarnation
      readonly records: readonly PackedRecord[]
    }

export type ReadJob =
  | { readonly do: 'nodes' }
  | { readonly do: 'owner'; readonly id: WorkerId }
  | { readonly do: 'job'; readonly id: string }
  | { readonly do: 'jobs'; readonly which: 'live' | 'past'; readonly limit: number }
  | {
      readonly do: 'ownedBy'
      readonly node: string
      readonly limit: number
      readonly after: WorkerId | undefined
    }
  | {
      readonly do: 'alarms'
      readonly afterMs: number
      readonly beforeMs: number
      readonly limit: number
    }
  | {
      readonly do: 'load'
      readonly id: WorkerId
      /** Name of the last section of the slice before; undefined for the first slice. */
      readonly after: string | undefined
      /** The slice ends with the section that reaches it. */
      readonly bytesMax: number
    }

/** Part of a worker's state, in the order of the sections' names. */
export interface LoadedSlice extends LoadedWorker {
  readonly more: boolean
}

export type Reply =
  | Incarnation
  | boolean
  | ClaimResult
  | CommitResult[]
  | NodeRecord[]
  | OwnerRecord
  | OwnerRecord[]
  | DueAlarm[]
  | LoadedSlice
  | JobRecord
  | JobRecord[]
  | JobWriteResult
  | undefined

export type ToThread =
  | { readonly batch: number; readonly reads: readonly ReadJob[] }
  | { readonly batch: number; readonly writes: readonly WriteJob[]; readonly values: Uint8Array }
  | { readonly close: true }

export type FromThread =
  | { readonly open: true }
  /** The database could not be opened; the thread ends. */
  | { readonly failed: string; readonly code: ErrorCode }
  | { readonly batch: number; readonly replies: readonly Reply[] }
  | { readonly batch: number; readonly code: ErrorCode; readonly message: string }
