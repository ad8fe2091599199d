/** What the node's control loop and its pool process say to each other over the IPC channel. */
import type { CallSettings } from '../calls/caller.ts'
import type { ResolvedMessage, ResolveMessage } from '../calls/resolves.ts'
import type { ConfigFile } from '../config/schema.ts'

export interface PoolSetup {
  readonly node: string
  /** Address to listen on; the port is the system's choice. */
  readonly bind: string
  /** Tokens of `aries-auth`: the first is shown, all are accepted; none: none is asked for. */
  readonly tokens: readonly string[]
  readonly tasks: readonly (readonly [name: string, file: string])[]
  readonly limits: ConfigFile['pool']
  readonly calls: CallSettings
  readonly logLevel: string
}

export type ToPool =
  | { readonly type: 'setup'; readonly setup: PoolSetup }
  /** The keys changed. Answered with `tokens` when it shows and accepts these. */
  | { readonly type: 'tokens'; readonly call: number; readonly tokens: readonly string[] }
  /** The routes changed: these are the tasks from now on. */
  | { readonly type: 'declare'; readonly tasks: PoolSetup['tasks'] }
  /** Load every task now. Answered with `loaded`. */
  | { readonly type: 'load' }
  /** Gossip found the node dead, or back again: what waits for one that is dead waits in vain. */
  | { readonly type: 'node'; readonly node: string; readonly dead: boolean }
  /** Answer to `resolve`. */
  | ResolvedMessage
  /** Take no new connection, finish what runs, exit with 0. */
  | { readonly type: 'shutdown' }

export interface PoolStats {
  /** Cores used since the last report. */
  readonly cpu: number
  readonly memoryBytes: number
  /** Tasks running or waiting. */
  readonly requests: number
  readonly connections: number
  /** Completed or failed, since the last report. */
  readonly requestsPerSecond: number
  /** Since the start. */
  readonly completed: number
  readonly failed: number
}

export type FromPool =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'tokens'; readonly call: number }
  /** A task here calls a worker: who owns that? */
  | ResolveMessage
  | { readonly type: 'stats'; readonly stats: PoolStats }
  /** Answer to `load`; `failure` says what is wrong with a task that does not load. */
  | { readonly type: 'loaded'; readonly failure: string | undefined }
