import type { ConfigFile } from '../../config/schema.ts'
import type { Deadlines } from '../../http1/deadlines.ts'
import type { Logger } from '../../log.ts'
import type { BodyLimit, Planner } from '../plan.ts'
import type { Recorder } from '../recorder.ts'
import type { ForwardTimes } from '../route-terms.ts'
import type { Forwarding } from './forwarding.ts'
import type { Marks } from './marks.ts'
import type { EngineHooks, EngineStats } from './stats.ts'
import type { UpstreamPools } from './upstream-pools.ts'

/** What the parts of one engine share. */
export interface EngineContext {
  readonly planner: Planner
  readonly log: Logger
  readonly hooks: EngineHooks | undefined
  readonly init: ConfigFile['front']
  /** The line `aries-node` for what no node has answered; empty: none. */
  readonly nodeLine: string
  /** The same for HTTP/2. */
  readonly nodePairs: readonly (readonly [string, string])[]
  /** For bodies on any route. */
  readonly bodyLimit: BodyLimit
  /** For routes that have none of their own. */
  readonly times: ForwardTimes
  readonly forwarding: Forwarding
  /** Ids and traces of requests; undefined when they get none. */
  readonly marks: Marks | undefined
  /** Which requests are recorded. */
  readonly recorder: Recorder | undefined
  readonly deadlines: Deadlines
  readonly pools: UpstreamPools
  readonly stats: EngineStats
  /** Of request bodies, kept for another attempt. */
  keptBytes: number
  /** The engine is shutting down: every response is the last of its connection. */
  closing: boolean
}
