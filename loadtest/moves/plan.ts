/** What the processes of `bench:moves` say to each other. */

/** A time on the clock that all processes of the machine share. */
export interface Span {
  readonly sentMs: number
  readonly ms: number
}

/** An open loop of requests. */
export interface LoadPlan {
  readonly url: string
  readonly perSecond: number
  /** Paths that are read in turn. */
  readonly reads: readonly string[]
  /** Paths that are written in turn. */
  readonly writes: readonly string[]
  /** One request in so many is a write; 0: none. */
  readonly writeEvery: number
}

export type ToLoad =
  | { readonly type: 'start'; readonly plan: LoadPlan }
  /** Answered with `ended` when every request has its end. */
  | { readonly type: 'stop' }

export type FromLoad =
  | { readonly type: 'sent'; readonly sent: number }
  | {
      readonly type: 'ended'
      readonly sent: number
      readonly spans: readonly Span[]
      /** What the answers to writes said: the number of the write. */
      readonly written: readonly number[]
      readonly bad: readonly string[]
    }

/** Milliseconds of the machine's monotonic clock: the same in every process. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}
