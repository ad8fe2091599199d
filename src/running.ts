/** What `aries front` and `aries node` need of the process that they run: `runFront`, `runNode`. */
import type { Config, NodeEntry } from './config/schema.ts'
import type { Logger } from './log.ts'

export interface RunOptions {
  readonly config: Config
  /** Absolute path of `config/aries.yaml`. */
  readonly configFile: string
  /** Id of the front or node; it stands in the map. */
  readonly id: string
  readonly log: Logger
  /** Of a node that the map need not have: where it is, so that it can join. */
  readonly joining?: NodeEntry
}

/** Instead of an exit code: the member wants to be started again. */
export const RESTART = 'restart'

export interface Running {
  /** Ends in order. `cluster-stops`: all members end now, so that nothing need be moved off. */
  stop(reason: string): Promise<void>
  /** A valid, changed configuration; takes effect without a restart where it can. */
  setConfig(config: Config): Promise<void>
  /** A changed file was refused (the old configuration stays), or is well again: for its notes. */
  setRefusal?(note: string | undefined): void
  /** Resolves with the exit code when it has ended, also by itself; `RESTART`: to start anew. */
  readonly stopped: Promise<number | typeof RESTART>
}
