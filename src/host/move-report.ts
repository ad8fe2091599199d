import type { WorkerId } from '../identity.ts'
import type { Source, SourcePhase } from '../move/source.ts'
import type { MovePhase, MoveReport } from '../rpc.ts'

/** What the driver of a source saw. */
export interface MoveFigures {
  readonly id: WorkerId
  readonly bytes: number
  readonly sessions: number
  readonly carried: number
  /** When no turn ran any more and none could begin. */
  readonly closedMs: number
  /** When all that had been done was committed. */
  readonly quietMs: number
  readonly committedMs: number
  readonly switchedMs: number
}

/** The report of a move that succeeded. */
export function moveReport(
  source: Source,
  result: { readonly epoch: number; readonly commitMs: number },
  figures: MoveFigures,
): MoveReport {
  const { beganMs, init } = source
  const fencedMs = beganMs.fence!
  const copiedMs = beganMs.copy ?? fencedMs
  const phase = (name: MovePhase['name'] & (SourcePhase | 'switch'), from: number, to: number) => ({
    name,
    ms: rounded(to - from),
  })
  return {
    class: figures.id.class,
    key: figures.id.key,
    from: init.node,
    to: init.target,
    fromEpoch: init.epoch,
    toEpoch: result.epoch,
    bytes: figures.bytes,
    sessions: figures.sessions,
    carried: figures.carried,
    phases: [
      phase('prepare', beganMs.prepare!, copiedMs),
      phase('copy', copiedMs, fencedMs),
      phase('fence', fencedMs, beganMs.commit!),
      phase('commit', beganMs.commit!, figures.committedMs),
      phase('switch', figures.committedMs, figures.switchedMs),
    ],
    stallMs: rounded(figures.committedMs - figures.closedMs),
    commitMs: rounded(figures.quietMs - figures.closedMs + result.commitMs),
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
