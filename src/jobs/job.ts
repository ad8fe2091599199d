/** A job: a module that runs once, as a process of its own, on the node where it costs least. */
import { constants } from 'node:os'
import { AriesError } from '../errors.ts'
import type { JobState } from '../store/store.ts'

/** All arguments together, UTF-8 bytes. */
export const ARGS_BYTES_MAX = 16_384
export const ARGS_MAX = 1_000
export const MODULE_BYTES_MAX = 4_096
export const PRIORITY_MAX = 1_000
/** Jobs in one answer. */
export const JOBS_LIMIT_MAX = 10_000

/** What is asked for. */
export interface JobSpec {
  /** Absolute, or relative to one of the folders of the configuration. */
  readonly module: string
  readonly args: readonly string[]
  /** While the cluster is full a larger one goes first. */
  readonly priority: number
  /** Cores that it is expected to use. */
  readonly cpu: number
  /** Memory that it is expected to use; it does not start where less is free. */
  readonly memoryBytes: number
  /** Run it again on another node when its node is lost. */
  readonly restart: boolean
  /** Its standard input will be sent; without, it is empty. */
  readonly input: boolean
}

export interface JobInfo extends JobSpec {
  readonly id: string
  readonly state: JobState
  /** That runs it, or ran it last; null before the first. */
  readonly node: string | null
  /** How often it was started. */
  readonly runs: number
  /** Wall clocks; null before it was so. */
  readonly queuedMs: number
  readonly startedMs: number | null
  readonly endedMs: number | null
  /** Null while it runs, after a signal, and when nobody knows. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What happened to it besides its own end. */
  readonly why?: string
  /** What its processes use now; only of those that run, in answers, where its node could be asked. */
  readonly usage?: { readonly cpu: number; readonly memoryBytes: number }
}

/** What is asked for, checked. Throws `ARIES_E_BAD_REQUEST`. */
export function jobSpec(value: unknown): JobSpec {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >
  const { module, args = [], priority = 0, cpu = 1, memoryBytes = 0 } = given
  if (!isText(module, MODULE_BYTES_MAX) || module === '') {
    refuse(`module is a path of 1 to ${MODULE_BYTES_MAX} bytes`)
  }
  if (!Array.isArray(args) || args.length > ARGS_MAX) refuse(`args are up to ${ARGS_MAX} texts`)
  const texts = args.map((arg: unknown) => {
    if (!isText(arg, ARGS_BYTES_MAX)) refuse('args are texts without NUL')
    return arg
  })
  const bytes = texts.reduce((sum, arg) => sum + Buffer.byteLength(arg) + 1, 0)
  if (bytes > ARGS_BYTES_MAX) refuse(`args have more than ${ARGS_BYTES_MAX} bytes together`)
  if (!Number.isInteger(priority) || Math.abs(priority as number) > PRIORITY_MAX) {
    refuse(`priority is a whole number from -${PRIORITY_MAX} to ${PRIORITY_MAX}`)
  }
  if (typeof cpu !== 'number' || !(cpu > 0 && cpu <= 1_024)) refuse('cpu is a number of cores')
  if (!Number.isSafeInteger(memoryBytes) || (memoryBytes as number) < 0) {
    refuse('memoryBytes is a whole number')
  }
  return {
    module: module as string,
    args: texts,
    priority: priority as number,
    cpu,
    memoryBytes: memoryBytes as number,
    restart: given['restart'] === true,
    input: given['input'] === true,
  }
}

/** Id of a job. Throws `ARIES_E_BAD_REQUEST`. */
export function jobId(value: unknown): string {
  if (typeof value === 'string' && /^[a-z0-9]{1,32}$/.test(value)) return value
  return refuse('the id of a job is up to 32 small letters and digits')
}

/** A signal by its name, with or without SIG. Throws `ARIES_E_BAD_REQUEST`. */
export function signalOf(value: unknown): NodeJS.Signals {
  const name = String(value).toUpperCase().replace(/^SIG/, '')
  const signal = `SIG${name}` as NodeJS.Signals
  if (Object.hasOwn(constants.signals, signal)) return signal
  return refuse(`"${String(value).slice(0, 40)}" is no signal`)
}

/** As a shell shows the end of a process: its exit code, or 128 + the number of the signal. */
export function exitCodeOfJob(job: Pick<JobInfo, 'exitCode' | 'signal'>): number {
  if (job.signal !== null) return 128 + constants.signals[job.signal]
  return job.exitCode ?? 1
}

function isText(value: unknown, bytesMax: number): value is string {
  return (
    typeof value === 'string' &&
    value.isWellFormed() &&
    !value.includes('\0') &&
    Buffer.byteLength(value) <= bytesMax
  )
}

function refuse(why: string): never {
  throw new AriesError('ARIES_E_BAD_REQUEST', why)
}
