/** What the main thread of a front and its shards say to each other over the threads' port. */
import type { ConfigFile } from '../config/schema.ts'
import type { ErrorBody } from '../errors.ts'
import type { ListeningSocket } from './handover.ts'
import type { ListenerAddress } from './listen.ts'
import type { Traffic } from './meters.ts'
import type { ShardStats } from './metrics.ts'
import type { NodeView } from './nodes.ts'
import type { InRow, UpstreamOutcome } from './outcomes.ts'
import type { BodyLimits } from './planner.ts'
import type { Recorded } from './recorder.ts'
import type { UpstreamTls } from './upstream-tls.ts'

/** The part of the configuration that a shard works by. */
export interface ShardConfig {
  readonly listeners: readonly ListenerAddress[]
  readonly routes: ConfigFile['routes']
  /** By URL. */
  readonly upstreamTls: ReadonlyMap<string, UpstreamTls>
  readonly front: ConfigFile['front']
  /** With an absolute path. */
  readonly accessLog: ConfigFile['accessLog']
  /** What pools and hosts take of a body. */
  readonly bodyLimits: BodyLimits
  /** `host.messageBytesMax`: largest WebSocket message. */
  readonly messageBytesMax: number
  readonly balance: ConfigFile['balance']
  readonly outliers: ConfigFile['outliers']
  /** For `aries-auth`; empty: none. */
  readonly token: string
  readonly logLevel: string
}

export interface ShardSetup {
  readonly front: string
  readonly shard: number
  /** Wall clock of the thread's start: with front and shard it names a session uniquely. */
  readonly boot: number
  /** Buffer of the `Board`. */
  readonly board: SharedArrayBuffer
  /** Buffer of the `RateTable`. */
  readonly rates: SharedArrayBuffer
  readonly nodes: readonly NodeView[]
  /** Upstreams that are not healthy now. */
  readonly unhealthy: readonly string[]
  /** Upstreams that drain, and how long those who are bound to them may stay. */
  readonly draining: readonly { readonly url: string; readonly boundMs: number }[]
  readonly config: ShardConfig
  /** Listening sockets of the process before this one, for this shard. */
  readonly inherited: readonly ListeningSocket[]
}

export type ToShard =
  /** Answered with `done` or, when nothing of it was applied, `failed`. */
  | { readonly type: 'config'; readonly call: number; readonly config: ShardConfig }
  /** New nodes, and those whose addresses changed. */
  | { readonly type: 'nodes'; readonly nodes: readonly NodeView[] }
  /**
   * Gossip found the node dead or gone: links to it are over. One that is gone (`dead` is false)
   * answers what it has; one that is dead does not.
   */
  | { readonly type: 'down'; readonly node: string; readonly dead: boolean }
  | { readonly type: 'health'; readonly url: string; readonly healthy: boolean }
  /** `boundMs`: how long those who are bound to it may stay; absent: it is back in use. */
  | { readonly type: 'drain'; readonly url: string; readonly boundMs: number | undefined }
  /** Finish what runs for at most `graceMs`, then end the thread. */
  | { readonly type: 'stop'; readonly graceMs: number }
  /**
   * Likewise, while another process takes new clients: whoever is connected is asked to come again,
   * WebSockets within `spreadMs`.
   */
  | { readonly type: 'retire'; readonly graceMs: number; readonly spreadMs: number }
  /** Answered with the listening sockets. */
  | { readonly type: 'sockets' }

export type FromShard =
  /** Call 0: the shard listens. */
  | { readonly type: 'done'; readonly call: number }
  | { readonly type: 'failed'; readonly call: number; readonly error: ErrorBody }
  | { readonly type: 'stats'; readonly stats: ShardStats; readonly traffic: Traffic }
  | { readonly type: 'sockets'; readonly sockets: readonly ListeningSocket[] }
  /** Nobody listens at the data port of that node. */
  | { readonly type: 'refused'; readonly node: string }
  /** A connection to the pool of that node failed. */
  | { readonly type: 'pool-failed'; readonly node: string }
  | {
      readonly type: 'upstream-failed'
      readonly url: string
      readonly why: string | undefined
    }
  /** Requests there failed in a row. */
  | {
      readonly type: 'upstream-in-row'
      readonly url: string
      readonly rule: InRow
      readonly count: number
    }
  /** Once a second, when there are any. */
  | {
      readonly type: 'requests'
      readonly shard: number
      readonly recorded: Recorded
    }
  /** Once a second: upstreams that have or had requests. */
  | {
      readonly type: 'outcomes'
      readonly shard: number
      readonly outcomes: readonly UpstreamOutcome[]
    }
