import { setTimeout as sleep } from 'node:timers/promises'
import type { Section } from '../store/store.ts'
import type { Clock } from '../world.ts'
import type { OpenWorker } from './open-worker.ts'

/** One piece of the copy: a fraction of a millisecond of both event loops. */
const PIECE_BYTES = 64 * 1024
/** Between two pieces the loops of both hosts are the neighbours'; at least so long... */
const PAUSE_MS_MIN = 1
/** ...and so many times as long as the piece took, for a large section or a slow machine... */
const PAUSES_PER_PIECE = 9
/** ...but no longer, or the copy would never end. */
const SHARED_PAUSE_MS_MAX = 10
/** An event loop that comes round later than this is busy: the copy waits as long again. */
const LAG_MS_MAX = 2
const PAUSE_MS_MAX = 50

/** Who the copy is for. */
export interface SectionSink {
  /** False ends the copy. */
  readonly wanted: () => boolean
  /** Whether it need not be copied. */
  readonly has: (name: string) => boolean
  /** Sections as they are after turn `seq`. */
  readonly take: (seq: number, piece: readonly Section[]) => void
  /** Resolves when what was taken has left. */
  readonly drained: () => Promise<void>
}

/**
 * Reads the sections of a worker that serves meanwhile, piece by piece, with pauses, longer ones
 * when the event loop is busy. False when it was not wanted to the end.
 */
export async function copySections(
  worker: OpenWorker,
  clock: Clock,
  sink: SectionSink,
): Promise<boolean> {
  let piece: Section[] = []
  let bytes = 0
  const names = Array.from(worker.state.sections.keys())
  for (const name of names) {
    if (!sink.wanted()) return false
    const value = worker.state.sections.get(name)
    if (value === undefined || sink.has(name)) continue
    piece.push({ name, value })
    bytes += name.length + value.length
    if (bytes < PIECE_BYTES) continue
    const beganMs = clock.nowMs()
    sink.take(worker.seq, piece)
    piece = []
    bytes = 0
    const restMs = (clock.nowMs() - beganMs) * PAUSES_PER_PIECE
    const pauseMs = Math.max(PAUSE_MS_MIN, Math.min(Math.round(restMs), SHARED_PAUSE_MS_MAX))
    await sink.drained()
    const beforeMs = clock.nowMs()
    await sleep(pauseMs)
    const lagMs = clock.nowMs() - beforeMs - pauseMs
    if (lagMs > LAG_MS_MAX) await sleep(Math.min(lagMs, PAUSE_MS_MAX))
  }
  if (!sink.wanted()) return false
  if (piece.length > 0) sink.take(worker.seq, piece)
  return true
}
