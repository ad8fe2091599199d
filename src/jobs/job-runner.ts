import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import { Child } from '../node/child.ts'
import type { ProcessInfo } from '../rpc.ts'
import type { TimerHandle, World } from '../world.ts'
import type { FromKeeper, JobEnd, JobStart, JobUsage, KeeperSetup, ToKeeper } from './keeper/ipc.ts'
import { signalGroup } from './process-group.ts'

const SHUTDOWN_MS = 1_000

export interface JobRunnerEvents {
  /** `known`: false when it is not known how it ended. */
  readonly ended: (id: string, end: JobEnd, known: boolean) => void
}

interface RunningJob {
  pid: number
  usage: JobUsage | undefined
  kill: TimerHandle | undefined
  taken: ((open: boolean) => void) | undefined
  /** Sent before there was a process. */
  readonly early: NodeJS.Signals[]
}

/** The processes of a node's jobs: they are the keeper's, which is started with the first. */
export class JobRunner {
  readonly #c: { log: Logger; world: World }
  readonly #setup: KeeperSetup
  readonly #events: JobRunnerEvents
  readonly #jobs = new Map<string, RunningJob>()
  #keeper: Child<ToKeeper, FromKeeper> | undefined
  #up: Promise<void> | undefined

  constructor(
    components: { log: Logger; world: World },
    init: { setup: KeeperSetup },
    events: JobRunnerEvents,
  ) {
    this.#c = components
    this.#setup = init.setup
    this.#events = events
  }

  get infos(): ProcessInfo[] {
    const pid = this.#keeper?.pid ?? 0
    return pid === 0 ? [] : [{ role: 'keeper', pid, port: 0, generation: 1, restarts: 0 }]
  }

  /** What it uses now; undefined before that was measured. */
  usage(id: string): JobUsage | undefined {
    return this.#jobs.get(id)?.usage
  }

  /** Of those that were measured already. */
  get usages(): JobUsage[] {
    return [...this.#jobs.values()].flatMap(({ usage }) => usage ?? [])
  }

  async start(job: JobStart): Promise<void> {
    const { id } = job
    this.#jobs.set(id, {
      pid: 0,
      usage: undefined,
      kill: undefined,
      taken: undefined,
      early: [],
    })
    try {
      this.#up ??= this.#startKeeper()
      await this.#up
      this.#keeper?.send({ type: 'start', job })
    } catch (error) {
      this.#up = undefined
      const why = `it could not be started: ${(error as Error).message}`
      this.#ended(id, { exitCode: null, signal: null, why })
    }
  }

  signal(id: string, signal: NodeJS.Signals): void {
    const job = this.#jobs.get(id)
    if (job?.pid === 0) job.early.push(signal)
    else this.#keeper?.send({ type: 'signal', id, signal })
  }

  /** Asks it to end, and sees to it after `graceMs`. */
  end(id: string, graceMs: number): void {
    const job = this.#jobs.get(id)
    if (!job || job.kill) return
    this.signal(id, 'SIGTERM')
    job.kill = this.#c.world.clock.after(graceMs, () => this.signal(id, 'SIGKILL'))
  }

  /**
   * A piece of its standard input; undefined: the end. Resolves when it is taken, with whether more
   * may come. One at a time.
   */
  input(id: string, bytes: Uint8Array | undefined): Promise<boolean> {
    const job = this.#jobs.get(id)
    if (!job || !this.#keeper) return Promise.resolve(false)
    const taken = Promise.withResolvers<boolean>()
    job.taken = taken.resolve
    this.#keeper.send({ type: 'input', id, ...(bytes && { bytes }) })
    return taken.promise
  }

  /** Ends the keeper, and with it every job that is left. */
  async stop(): Promise<void> {
    await this.#keeper?.stop({ type: 'shutdown' }, SHUTDOWN_MS)
  }

  async #startKeeper(): Promise<void> {
    const keeper = new Child<ToKeeper, FromKeeper>(
      this.#c,
      {
        role: 'keeper',
        entry: entryUrl('./keeper/main.ts', import.meta.url),
        detached: true,
        setup: { type: 'setup', setup: this.#setup },
      },
      { message: (message) => this.#heard(message), down: (how) => this.#down(how) },
    )
    this.#keeper = keeper
    await keeper.start()
  }

  #heard(message: FromKeeper): void {
    switch (message.type) {
      case 'started': {
        const job = this.#jobs.get(message.id)
        if (!job) break
        job.pid = message.pid
        for (const signal of job.early) this.signal(message.id, signal)
        break
      }
      case 'taken':
        this.#jobs.get(message.id)?.taken?.(message.open)
        break
      case 'usage':
        for (const usage of message.usage) {
          const job = this.#jobs.get(usage.id)
          if (job) job.usage = usage
        }
        break
      case 'ended':
        this.#ended(message.id, message.end)
    }
  }

  #ended(id: string, end: JobEnd, known = true): void {
    const job = this.#jobs.get(id)
    if (!job) return
    this.#jobs.delete(id)
    job.kill?.cancel()
    job.taken?.(false)
    this.#events.ended(id, end, known)
  }

  /** What it started lives on without it, and nobody writes down its output. */
  #down(how: string): void {
    this.#keeper = undefined
    this.#up = undefined
    for (const [id, { pid }] of this.#jobs) {
      if (pid !== 0) signalGroup(pid, 'SIGKILL')
      const why = `it was ended because the process that kept it ${how}`
      this.#ended(id, { exitCode: null, signal: null, why }, false)
    }
  }
}
