/** What a job prints, from the cluster to this terminal: each of its two streams to its own. */
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { AriesError, type ErrorCode, toAriesError } from '../errors.ts'
import type { JobInfo } from '../jobs/job.ts'
import { OutputDecoder, type OutputFrame, STREAM } from '../jobs/output-frames.ts'
import type { AdminClient } from './client.ts'
import { remark } from './output.ts'

const POLL_MS = 200
/** So long nobody may answer: then who follows gives up, the job does not. */
const PATIENCE_MS = 60_000
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'ARIES_E_ADMIN_UNREACHABLE',
  'ARIES_E_NODE_UNREACHABLE',
  'ARIES_E_STORE',
])

export type PrintFrame = (frame: OutputFrame) => Promise<void>

export interface FollowOptions {
  readonly printFrame?: PrintFrame
  /** Only so many lines of what it has printed so far. */
  readonly tail?: number | undefined
  /** It runs now. */
  readonly onRunning?: (job: JobInfo) => void
}

/** Prints until the job has ended; resolves with how. */
export async function followJob(
  client: AdminClient,
  id: string,
  { tail, onRunning, printFrame = printText }: FollowOptions = {},
): Promise<JobInfo> {
  const told = new Set<string>()
  const tell = (text: string): void => {
    if (!told.has(text)) remark(text)
    told.add(text)
  }
  let decoder = new OutputDecoder()
  let runs = 0
  for (;;) {
    const job = await patiently(() => client.get('GET /api/jobs/{id}', { id }), tell)
    if (job.runs !== runs) {
      if (runs > 0) tell(`job ${id} runs again, on ${job.node}`)
      runs = job.runs
      decoder = new OutputDecoder()
      if (tail !== undefined) await printTail(client, id, decoder, tail, printFrame)
    }
    if (job.state === 'queued') tell(`job ${id} is queued`)
    else {
      if (job.state === 'running') onRunning?.(job)
      const follow = job.state === 'running'
      try {
        await printOutput(client, id, decoder, follow, printFrame)
      } catch (error) {
        const { message } = toAriesError(error)
        tell(`the output of job ${id} cannot be read${follow ? ' now' : ''}: ${message}`)
      }
      if (!follow) return job
    }
    await sleep(POLL_MS)
  }
}

/** Prints what there is of it. */
export async function printOutput(
  client: AdminClient,
  id: string,
  decoder: OutputDecoder,
  follow: boolean,
  printFrame: PrintFrame,
): Promise<void> {
  for await (const frame of framesOf(client, id, decoder, follow)) await printFrame(frame)
}

/** Prints its last lines so far; `decoder` then stands where more will come. */
export async function printTail(
  client: AdminClient,
  id: string,
  decoder: OutputDecoder,
  lines: number,
  printFrame: PrintFrame,
): Promise<void> {
  const frames: OutputFrame[] = []
  for await (const frame of framesOf(client, id, decoder, false)) frames.push(frame)
  for (const frame of lastLines(frames, lines)) await printFrame(frame)
}

/** The last `lines` of the text of both streams, as they were printed one after another. */
export function lastLines(frames: readonly OutputFrame[], lines: number): OutputFrame[] {
  const kept: OutputFrame[] = []
  let left = lines
  let isEnd = true
  for (const frame of frames.toReversed()) {
    if (frame.stream === STREAM.gap) break
    for (let at = frame.bytes.length - 1; at >= 0; at--) {
      if (frame.bytes[at] === 0x0a && !isEnd && --left === 0) {
        const rest = { ...frame, bytes: frame.bytes.subarray(at + 1) }
        return rest.bytes.length > 0 ? [rest, ...kept] : kept
      }
      isEnd = false
    }
    kept.unshift(frame)
  }
  return kept
}

async function* framesOf(
  client: AdminClient,
  id: string,
  decoder: OutputDecoder,
  follow: boolean,
): AsyncGenerator<OutputFrame> {
  // A stream that broke off in a frame gives that frame again.
  decoder.restart()
  const query = { from: String(decoder.at), follow: String(follow) }
  const output = await client.stream('GET /api/jobs/{id}/output', { id }, query)
  try {
    for await (const chunk of output) yield* decoder.push(chunk as Buffer)
  } catch (error) {
    const { message } = error as Error
    throw new AriesError('ARIES_E_NODE_UNREACHABLE', `it broke off: ${message}`, { cause: error })
  }
}

/** A line of JSON for each piece of text, or for a gap. */
export async function printAsJson({ stream, bytes }: OutputFrame): Promise<void> {
  const line =
    stream === STREAM.gap
      ? { stream: 'gap', bytes: Number(bytes.readBigUInt64BE()) }
      : { stream: stream === STREAM.out ? 'stdout' : 'stderr', text: bytes.toString() }
  await write(process.stdout, Buffer.from(`${JSON.stringify(line)}\n`))
}

export async function printText({ stream, bytes }: OutputFrame): Promise<void> {
  if (stream === STREAM.gap) remark(`… ${bytes.readBigUInt64BE()} bytes are no longer kept`)
  else await write(stream === STREAM.out ? process.stdout : process.stderr, bytes)
}

async function write(to: Writable, bytes: Buffer): Promise<void> {
  if (to.write(bytes)) return
  await new Promise((resolve) => to.once('drain', resolve))
}

/** A node that restarts, or a store that is away, ends nobody's patience at once. */
async function patiently<T>(ask: () => Promise<T>, tell: (text: string) => void): Promise<T> {
  const untilMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await ask()
    } catch (thrown) {
      const error = toAriesError(thrown)
      if (!PASSING.has(error.code) || performance.now() > untilMs) throw error
      tell(`waiting: ${error.message}`)
      await sleep(POLL_MS)
    }
  }
}
