import { fstatSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { AriesError } from '../errors.ts'
import { exitCodeOfJob, type JobInfo, type JobSpec } from '../jobs/job.ts'
import { type AdminClient, withClient } from './client.ts'
import { followJob } from './job-output.ts'
import type { ReadOptions } from './options.ts'
import { EXIT, harmless, print, printJson, remark } from './output.ts'

/** A shell and npm may each pass on the one Ctrl-C of the terminal. */
const SAME_MS = 500
const SIGHUP_CODE = 129
const SIGINT_CODE = 130

export interface RunJobOptions extends ReadOptions {
  readonly cpu: number
  /** Mebibytes. */
  readonly memory: number
  readonly priority: number
  readonly restart?: boolean
  readonly detach?: boolean
  readonly input: boolean
}

/** `aries run <module> [args…]`; resolves with the exit code of the job. */
export async function run(
  module: string,
  args: readonly string[],
  options: RunJobOptions,
): Promise<number> {
  const { cpu, memory, priority, restart = false, detach = false, json } = options
  const input = options.input && !detach && isPiped()
  const spec: JobSpec = {
    module: moduleOf(module),
    args,
    priority,
    cpu,
    memoryBytes: Math.round(memory * 1_048_576),
    restart,
    input,
  }
  return withClient(options, async (client) => {
    const submit = (): Promise<JobInfo> => client.post('POST /api/jobs', {}, { body: spec })
    if (detach) {
      const job = await submit()
      if (json) printJson(job)
      else print(job.id)
      return EXIT.ok
    }
    const signals = hearSignals(client)
    try {
      const { id } = await submit()
      signals.began(id)
      let sends = input
      const job = await followJob(client, id, {
        onRunning: () => {
          if (sends) sendInput(client, id)
          sends = false
        },
      })
      return endOf(job, json)
    } finally {
      signals.unhear()
      process.stdin.destroy()
    }
  })
}

/** A path with a dot or slash before it is a file of this machine, anything else one of the folders. */
function moduleOf(module: string): string {
  return isAbsolute(module) || /^\.\.?\//.test(module) ? resolve(module) : module
}

/** Whether there is something to read that does not come from a keyboard. */
function isPiped(): boolean {
  try {
    const stdin = fstatSync(0)
    return stdin.isFIFO() || stdin.isFile() || stdin.isSocket()
  } catch {
    return false
  }
}

/** A job that does not read, or ends before all is sent, is no error. */
function sendInput(client: AdminClient, id: string): void {
  client.send('POST /api/jobs/{id}/input', { id }, process.stdin).catch(() => {})
}

function endOf(job: JobInfo, json: boolean | undefined): number {
  if (json) remark(JSON.stringify(job))
  else if (job.why !== undefined) remark(`job ${job.id}: ${harmless(job.why)}`)
  if (job.state !== 'lost') return exitCodeOfJob(job)
  throw new AriesError('ARIES_E_JOB_LOST', `job ${job.id} is lost: ${job.why}`)
}

/** Ctrl-C ends the job, twice leaves it; a terminal that goes away leaves it. */
function hearSignals(client: AdminClient): { began(id: string): void; unhear(): void } {
  let job: string | undefined
  let firstMs: number | undefined
  const kill = (id: string): void => {
    remark(`job ${id} is asked to end; once more to leave it as it is`)
    const killed = client.post('POST /api/jobs/{id}/kill', { id })
    killed.catch((error: Error) => remark(`job ${id} could not be ended: ${error.message}`))
  }
  const leave = (code: number): never => {
    if (job !== undefined) remark(`job ${job} goes on: see \`aries logs ${job}\``)
    process.exit(code)
  }
  const onStop = (): void => {
    const nowMs = performance.now()
    if (firstMs !== undefined) {
      if (nowMs - firstMs > SAME_MS) leave(SIGINT_CODE)
      return
    }
    firstMs = nowMs
    if (job !== undefined) kill(job)
  }
  const onHangUp = (): never => leave(SIGHUP_CODE)
  process.on('SIGINT', onStop).on('SIGTERM', onStop).on('SIGHUP', onHangUp)
  return {
    began(id) {
      job = id
      if (firstMs !== undefined) kill(id)
    },
    unhear() {
      process.off('SIGINT', onStop).off('SIGTERM', onStop).off('SIGHUP', onHangUp)
    },
  }
}
