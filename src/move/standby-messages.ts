/** What the owner of a worker and its standby say to each other; `stream` tells workers apart. */
import type { Section } from '../store/store.ts'

/** How a turn left the state, to check the copy against: see `Digest`. */
export interface Check {
  /** Version of the class that wrote it; 0: nothing was written. */
  readonly version: number
  readonly count: number
  readonly digest: number
}

export type ToStandby =
  | {
      readonly type: 'follow'
      readonly stream: number
      /** `class/key`, see `formatWorkerId`. */
      readonly worker: string
      readonly from: string
      readonly epoch: number
      readonly stateBytes: number
    }
  /** Sections as they were after turn `seq`, which need not be committed yet. */
  | {
      readonly type: 'sections'
      readonly stream: number
      readonly seq: number
      readonly set: readonly Section[]
    }
  /** What turn `seq` changed; sent before it is committed. Turns up to `committed` are. */
  | ({
      readonly type: 'changes'
      readonly stream: number
      readonly seq: number
      readonly committed: number
      readonly set: readonly Section[]
      readonly remove: readonly string[]
    } & Check)
  /** Every section was sent; the state is that of turn `seq`. */
  | ({
      readonly type: 'copied'
      readonly stream: number
      readonly seq: number
      readonly committed: number
    } & Check)
  | { readonly type: 'unfollow'; readonly stream: number }

export type FromStandby =
  | { readonly type: 'following'; readonly stream: number }
  /** It follows no more: refused, or out of step. */
  | { readonly type: 'unfollowed'; readonly stream: number; readonly why: string }
