import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { toAriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { sleep, type World } from '../world.ts'
import type { JobInfo } from './job.ts'
import type { JobModule } from './job-folders.ts'
import type { Room } from './job-queue.ts'
import type { JobRunner } from './job-runner.ts'
import type { JobEntry, JobTable } from './job-table.ts'
import type { JobEnd } from './keeper/ipc.ts'

const RETRY_MS = 500
const WAIT_MS = 50
/** At the stop of the node: for the store to take the ends of the jobs. */
const RECORD_MS = 2_000

/** What a job sees of its node's environment. */
const ENVIRONMENT = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR']

interface OwnJob {
  readonly info: JobInfo
  /** What is left of it is to run elsewhere. */
  requeue: boolean
  /** What this node did to it. */
  why: string | undefined
}

export interface OwnJobsInit {
  readonly node: string
  readonly limits: Config['jobs']
}

export interface OwnJobsEvents {
  /** One has ended. */
  readonly freed: () => void
  /** One begins that asked for so many cores. */
  readonly begun: (cpu: number) => void
}

/** The jobs that run on this node, from their start until their end is in the store. */
export class OwnJobs {
  readonly #c: { table: JobTable; log: Logger; world: World }
  readonly #init: OwnJobsInit
  readonly #events: OwnJobsEvents
  readonly #runner: JobRunner
  readonly #running = new Map<string, OwnJob>()
  /** Ended, and not yet so in the store. */
  readonly #unwritten = new Set<Promise<void>>()
  #stopping = false
  #ended = 0

  constructor(
    components: {
      table: JobTable
      log: Logger
      world: World
      runner: (ended: (id: string, end: JobEnd, known: boolean) => void) => JobRunner
    },
    init: OwnJobsInit,
    events: OwnJobsEvents,
  ) {
    this.#c = components
    this.#init = init
    this.#events = events
    this.#runner = components.runner((id, end, known) => this.#end(id, end, known))
  }

  get runner(): JobRunner {
    return this.#runner
  }

  get ids(): readonly string[] {
    return [...this.#running.keys()]
  }

  get counts(): { readonly running: number; readonly ended: number } {
    return { running: this.#running.size, ended: this.#ended }
  }

  has(id: string): boolean {
    return this.#running.has(id)
  }

  /** Where its output is kept. */
  folder(id: string): string {
    return join(this.#init.limits.output, this.#init.node, id)
  }

  /** What of `whole` is left, when the node uses `memoryBytes` already. */
  room(whole: Room, memoryBytes: number): Room {
    let { cpu } = whole
    let free = whole.memoryBytes - memoryBytes
    for (const [id, { info }] of this.#running) {
      cpu -= info.cpu
      free -= Math.max(0, info.memoryBytes - (this.#runner.usage(id)?.memoryBytes ?? 0))
    }
    return { cpu, memoryBytes: free }
  }

  /** Runs it: the store knows already that it runs here. */
  begin(info: JobInfo, { file, folder }: JobModule): void {
    const { id, args, input } = info
    this.#running.set(id, { info, requeue: false, why: undefined })
    this.#c.log.info({ job: id, module: file }, 'job begins')
    this.#events.begun(info.cpu)
    this.#forgetOutput(id)
    const env = this.#environment(id)
    void this.#runner.start({ id, file, args, cwd: folder, env, folder: this.folder(id), input })
  }

  /** Whoever reads the output of this run is not to see that of an earlier one. */
  #forgetOutput(id: string): void {
    try {
      rmSync(this.folder(id), { recursive: true, force: true })
    } catch (error) {
      this.#c.log.warn({ err: error, job: id }, 'output of an earlier run cannot be removed')
    }
  }

  /** An operator ends it: with that signal alone, or else in the way that no job outlives. */
  kill(id: string, signal: NodeJS.Signals | undefined): void {
    const job = this.#running.get(id)
    if (job) job.requeue = false
    this.#signal(id, signal)
  }

  /** Ends those that others may run again as soon as this node's lease is over. */
  fence(): void {
    for (const [id, job] of this.#running) if (job.info.restart) this.#endFor(id, 'SIGKILL')
  }

  /** Takes what runs here under a new incarnation; what others took over meanwhile is ended. */
  async adopt(): Promise<void> {
    for (const [id, { info }] of this.#running) {
      const entry = await this.#c.table.find(id)
      if (entry && this.#isMine(entry, info) && (await this.#c.table.change(entry, info))) continue
      const job = this.#running.get(id)
      if (job) job.why = 'it runs elsewhere'
      this.#runner.signal(id, 'SIGKILL')
    }
  }

  /** Waits for them for at most `waitMs`, those that may be restarted first sent elsewhere. */
  async drain(waitMs: number, stillWanted: () => boolean): Promise<readonly string[]> {
    const untilMs = this.#c.world.clock.nowMs() + waitMs
    for (const [id, job] of this.#running) if (job.info.restart) this.#endFor(id)
    while (this.#running.size > 0 && stillWanted() && this.#c.world.clock.nowMs() < untilMs) {
      await sleep(this.#c.world.clock, WAIT_MS)
    }
    return this.ids
  }

  /** Ends all that run here. */
  async stop(): Promise<void> {
    const { clock } = this.#c.world
    for (const [id, job] of this.#running) {
      job.why = `node ${this.#init.node} was stopped`
      this.#endFor(id)
    }
    const untilMs = clock.nowMs() + this.#init.limits.graceMs + RECORD_MS
    while (this.#running.size > 0 && clock.nowMs() < untilMs) await sleep(clock, WAIT_MS)
    await Promise.race([Promise.all(this.#unwritten), sleep(clock, RECORD_MS)])
    this.#stopping = true
    await this.#runner.stop()
  }

  #endFor(id: string, signal?: NodeJS.Signals): void {
    const job = this.#running.get(id)
    if (!job) return
    job.requeue = job.info.restart
    this.#signal(id, signal)
  }

  #signal(id: string, signal: NodeJS.Signals | undefined): void {
    if (signal) this.#runner.signal(id, signal)
    else this.#runner.end(id, this.#init.limits.graceMs)
  }

  #end(id: string, end: JobEnd, known: boolean): void {
    const job = this.#running.get(id)
    if (!job) return
    this.#running.delete(id)
    this.#ended++
    this.#c.log.info({ job: id, ...end }, 'job ended')
    const writing = this.#record(job, this.#endOf(job, end, known)).finally(() => {
      this.#unwritten.delete(writing)
      this.#events.freed()
    })
    this.#unwritten.add(writing)
  }

  #endOf({ info, requeue, why: done }: OwnJob, end: JobEnd, known: boolean): JobInfo {
    if (requeue || (!known && info.restart)) {
      return { ...info, state: 'queued', node: null, startedMs: null }
    }
    const why = end.why ?? done
    const { exitCode, signal } = end
    const state = known ? 'ended' : 'lost'
    const endedMs = this.#c.world.clock.wallMs()
    return { ...info, state, endedMs, exitCode, signal, ...(why !== undefined && { why }) }
  }

  /** Until the store has taken it, or has what another node made of the job. */
  async #record({ info: before }: OwnJob, info: JobInfo): Promise<void> {
    while (!this.#stopping) {
      try {
        const entry = await this.#c.table.find(info.id)
        if (!entry || !this.#isMine(entry, before)) return
        if (await this.#c.table.change(entry, info)) return
      } catch (error) {
        this.#c.log.debug({ err: toAriesError(error), job: info.id }, 'its end is not in the store')
        await sleep(this.#c.world.clock, RETRY_MS)
      }
    }
  }

  /** Whether the store still means this run of it: lost is what others think of it. */
  #isMine({ info }: JobEntry, own: JobInfo): boolean {
    const { node, runs, state } = info
    return node === own.node && runs === own.runs && (state === 'running' || state === 'lost')
  }

  #environment(id: string): Record<string, string> {
    const env: Record<string, string> = { ARIES_JOB: id, ARIES_NODE: this.#init.node }
    for (const name of [...ENVIRONMENT, ...this.#init.limits.environment]) {
      const value = process.env[name]
      if (value !== undefined) env[name] = value
    }
    return env
  }
}
