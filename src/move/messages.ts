/** What the source and the target of a move say to each other. */
import type { ErrorCode } from '../errors.ts'
import type { Section } from '../store/store.ts'

/** Sessions travel through the cores unread; see `CarriedSession` in `src/host/session.ts`. */
export type Sessions = readonly unknown[]

/** Why a move does not go on; `code` where it is not only the move's own. */
export interface Failure {
  readonly why: string
  readonly code?: ErrorCode
}

export type ToTarget =
  | {
      readonly type: 'prepare'
      /** `class/key`, see `formatWorkerId`. */
      readonly worker: string
      readonly from: string
      readonly epoch: number
      readonly stateBytes: number
      /** Version of the class that wrote the state so far; 0: nothing was written. */
      readonly version: number
    }
  /** Sections as they were after turn `seq`. */
  | { readonly type: 'sections'; readonly seq: number; readonly set: readonly Section[] }
  /** What turn `seq` changed. */
  | {
      readonly type: 'changes'
      readonly seq: number
      readonly set: readonly Section[]
      readonly remove: readonly string[]
    }
  /** Answer when everything before is applied: measures how far the target lags. */
  | { readonly type: 'probe'; readonly n: number }
  /** The mailbox is closed, everything is committed up to `seq`: take it. */
  | {
      readonly type: 'fence'
      readonly seq: number
      readonly version: number
      /** The whole state, when it is small and was not copied before. */
      readonly whole: readonly Section[] | undefined
      readonly count: number
      readonly digest: number
      readonly sessions: Sessions
    }
  | { readonly type: 'abort'; readonly why: string }

export type ToSource =
  | { readonly type: 'prepared' }
  | ({ readonly type: 'refused' } & Failure)
  | { readonly type: 'applied'; readonly n: number }
  /** The target owns the worker and has opened it. */
  | { readonly type: 'committed'; readonly epoch: number; readonly commitMs: number }
  /** The target gives up; it will not claim. */
  | ({ readonly type: 'failed' } & Failure)

/** How a claim in the store went, as a core needs it. */
export type ClaimOutcome =
  | { readonly ok: true; readonly epoch: number; readonly seq: number }
  /** Another owner stands, host process `host` of `node` under `epoch`, with `seq` turns committed. */
  | {
      readonly ok: false
      readonly why: 'conflict'
      readonly node: string
      readonly host: number
      readonly epoch: number
      readonly seq: number
    }
  /** The claimer's own incarnation is void. */
  | { readonly ok: false; readonly why: 'fenced' }
  /** The store did not answer: the claim may have been applied. */
  | { readonly ok: false; readonly why: 'unknown' }
