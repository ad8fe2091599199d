import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { STREAM, type Stream } from '../output-frames.ts'
import { signalGroup } from '../process-group.ts'
import type { JobEnd, JobStart } from './ipc.ts'
import { OutputLog } from './output-log.ts'

/** What has left the group of an ended job may hold its output open: it is not waited for. */
const LINGER_MS = 500

export interface JobProcessEvents {
  readonly started: (pid: number) => void
  /** It ended, nothing of its group is left, and its output is written. */
  readonly ended: (end: JobEnd) => void
}

/** The process of one job, the leader of a group of its own. */
export class JobProcess {
  readonly #child: ChildProcess
  readonly #log: OutputLog
  readonly #events: JobProcessEvents
  #failure: string | undefined

  constructor(events: JobProcessEvents, job: JobStart, init: { outputBytesMax: number }) {
    this.#events = events
    this.#log = new OutputLog({ folder: job.folder, bytesMax: init.outputBytesMax })
    this.#child = spawn(process.execPath, [job.file, ...job.args], {
      cwd: job.cwd,
      env: { ...job.env },
      stdio: [job.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    })
    // A job need not read what it is sent.
    this.#child.stdin?.on('error', () => {})
    this.#child.once('spawn', () => events.started(this.#child.pid!))
    this.#child.once('error', (error) => {
      this.#failure = `it could not be started: ${error.message}`
    })
    void this.#run()
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid !== 0) signalGroup(this.pid, signal)
  }

  /** Resolves when it is taken: true while more may be sent. */
  input(bytes: Uint8Array | undefined): Promise<boolean> {
    const { stdin } = this.#child
    if (!stdin?.writable) return Promise.resolve(false)
    return new Promise((resolve) => {
      if (bytes === undefined) stdin.end(() => resolve(false))
      else stdin.write(bytes, (error) => resolve(!error))
    })
  }

  async #run(): Promise<void> {
    const { stdout, stderr } = this.#child
    const output = Promise.all([this.#keep(STREAM.out, stdout!), this.#keep(STREAM.err, stderr!)])
    const { exitCode, signal } = await this.#exit()
    if (this.pid !== 0) signalGroup(this.pid, 'SIGKILL')
    const linger = setTimeout(() => {
      stdout?.destroy()
      stderr?.destroy()
    }, LINGER_MS)
    await output
    clearTimeout(linger)
    await this.#log.close()
    const lost = this.#log.failure && `some of its output was lost: ${this.#log.failure.message}`
    const why = this.#failure ?? lost
    this.#events.ended({ exitCode, signal, ...(why !== undefined && { why }) })
  }

  #exit(): Promise<Pick<JobEnd, 'exitCode' | 'signal'>> {
    return new Promise((resolve) => {
      this.#child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }))
      this.#child.once('error', () => resolve({ exitCode: null, signal: null }))
    })
  }

  async #keep(stream: Stream, from: Readable): Promise<void> {
    try {
      for await (const chunk of from) await this.#log.write(stream, chunk as Buffer)
    } catch {
      // It was closed from this side.
    }
  }
}
