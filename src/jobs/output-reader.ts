import { type FileHandle, open } from 'node:fs/promises'
import { type Clock, sleep } from '../world.ts'
import { gapFrame } from './output-frames.ts'
import { listSegments, type Segment } from './output-segments.ts'

const CHUNK_BYTES = 65_536
const POLL_MIN_MS = 20
const POLL_MAX_MS = 200

export interface ReadOptions {
  /** Where a frame begins: 0, or as far as an earlier reader came (`OutputDecoder.at`). */
  readonly from: number
  /** Whether more may still come; asked before every look. */
  readonly isLive: () => boolean
}

/** What a job printed, as frames; while it lives the reader waits for more. */
export async function* readOutput(
  clock: Clock,
  folder: string,
  { from, isLive }: ReadOptions,
): AsyncGenerator<Buffer> {
  let at = from
  let pollMs = POLL_MIN_MS
  let file: FileHandle | undefined
  let fileFrom = 0
  let sealed = false
  try {
    for (;;) {
      const live = isLive()
      // The file that is open stays readable when it is dropped meanwhile.
      const read = file && (await readAt(file, at - fileFrom))
      if (read && read.length > 0) {
        at += read.length
        sealed = false
        pollMs = POLL_MIN_MS
        yield read
        continue
      }
      const next = nextSegment(await listSegments(folder), at, file ? fileFrom : -1)
      // Something may have been written to this one before the next was begun.
      if (next && file && !sealed) {
        sealed = true
        continue
      }
      if (next) {
        sealed = false
        await file?.close()
        file = await open(next.file).catch(() => undefined)
        if (!file) continue
        if (next.from > at) {
          yield gapFrame(next.from - at)
          at = next.from
        }
        fileFrom = next.from
        continue
      }
      if (!live) return
      await sleep(clock, pollMs)
      pollMs = Math.min(pollMs * 2, POLL_MAX_MS)
    }
  } finally {
    await file?.close()
  }
}

/** The file that has the byte `at`, or else the first after it; undefined when it is open already. */
function nextSegment(
  segments: readonly Segment[],
  at: number,
  openFrom: number,
): Segment | undefined {
  const own = segments.findLast((segment) => segment.from <= at)
  const next = own && own.from > openFrom ? own : undefined
  return next ?? segments.find((segment) => segment.from > Math.max(at, openFrom))
}

async function readAt(file: FileHandle, position: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(
    Buffer.allocUnsafe(CHUNK_BYTES),
    0,
    CHUNK_BYTES,
    position,
  )
  return buffer.subarray(0, bytesRead)
}
