/**
 * Entry of the keeper: the process of a node that starts the node's jobs, writes down what they
 * print, and ends them all when its channel to the node closes. It runs no user code, so that
 * nothing keeps it from doing so, and it leads a session of its own, so that what ends the node at
 * once does not end it too before it has.
 */
import { createLogger, type Logger } from '../../log.ts'
import { signalGroup } from '../process-group.ts'
import { type GroupUsage, groupUsages } from './group-usage.ts'
import type { FromKeeper, JobStart, JobUsage, KeeperSetup, ToKeeper } from './ipc.ts'
import { JobProcess } from './job-process.ts'

const USAGE_MS = 500

class Keeper {
  readonly #setup: KeeperSetup
  readonly #log: Logger
  readonly #jobs = new Map<string, JobProcess>()
  #usages = new Map<number, GroupUsage>()
  #usagesAtMs = performance.now()

  constructor(setup: KeeperSetup) {
    this.#setup = setup
    this.#log = createLogger({ role: 'keeper', id: setup.node }, setup.logLevel)
    setInterval(() => this.#tellUsage(), USAGE_MS)
  }

  start(job: JobStart): void {
    const { id } = job
    const started = (pid: number): void => tell({ type: 'started', id, pid })
    const process = new JobProcess(
      {
        started,
        ended: (end) => {
          this.#jobs.delete(id)
          this.#log.debug({ job: id, ...end }, 'job ended')
          tell({ type: 'ended', id, end })
        },
      },
      job,
      this.#setup,
    )
    this.#jobs.set(id, process)
  }

  signal(id: string, signal: NodeJS.Signals): void {
    this.#jobs.get(id)?.signal(signal)
  }

  async input(id: string, bytes: Uint8Array | undefined): Promise<void> {
    const open = (await this.#jobs.get(id)?.input(bytes)) ?? false
    tell({ type: 'taken', id, open })
  }

  endJobs(): void {
    for (const job of this.#jobs.values()) if (job.pid !== 0) signalGroup(job.pid, 'SIGKILL')
  }

  #tellUsage(): void {
    const nowMs = performance.now()
    const seconds = (nowMs - this.#usagesAtMs) / 1_000
    const groups = new Set(Array.from(this.#jobs.values(), ({ pid }) => pid))
    const before = this.#usages
    this.#usages = groups.size === 0 ? new Map() : groupUsages(groups)
    this.#usagesAtMs = nowMs
    if (groups.size === 0 && before.size === 0) return
    const usage: JobUsage[] = []
    for (const [id, { pid }] of this.#jobs) {
      const now = this.#usages.get(pid)
      if (!now) continue
      const cpu = Math.max(0, now.cpuSeconds - (before.get(pid)?.cpuSeconds ?? 0)) / seconds
      usage.push({ id, cpu, memoryBytes: now.memoryBytes })
    }
    tell({ type: 'usage', usage })
  }
}

function tell(message: FromKeeper): void {
  // A node that has just gone is heard of by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

let keeper: Keeper | undefined

process.on('message', (message: ToKeeper) => {
  switch (message.type) {
    case 'setup':
      keeper = new Keeper(message.setup)
      tell({ type: 'ready', port: 0 })
      break
    case 'start':
      keeper?.start(message.job)
      break
    case 'signal':
      keeper?.signal(message.id, message.signal)
      break
    case 'input':
      void keeper?.input(message.id, message.bytes)
      break
    case 'shutdown':
      process.exit(0)
  }
})
process.once('disconnect', () => process.exit(0))
// However it ends.
process.once('exit', () => keeper?.endJobs())
// The node decides what ends in which order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
