import type { Config } from '../config/schema.ts'
import { toAriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { TimerHandle, World } from '../world.ts'
import { JOBS_LIMIT_MAX, type JobInfo } from './job.ts'
import { findModule } from './job-folders.ts'
import { nextJobs, type Room } from './job-queue.ts'
import type { JobEntry, JobTable } from './job-table.ts'
import type { OwnJobs } from './own-jobs.ts'

const LOOK_MS = 1_000
/** So many nodes look once a second; more look less often, so that the store hears no more. */
const LOOKERS = 50
/** A job as young is still being placed by the node that took it. */
const FRESH_MS = 1_000
const PATIENCE_MS = 60_000
/** A job that has ended its node so often is not tried again. */
const RUNS_MAX = 5

export interface JobStarterInit {
  readonly node: string
  readonly limits: Config['jobs']
  /** Whether this node may begin a job now. */
  readonly mayStart: () => boolean
  /** What this node has for jobs, and has left. */
  readonly whole: () => Room
  readonly room: () => Room
  readonly nodes: () => number
}

/**
 * Starts jobs of the queue on this node as room comes free. Nodes look at the queue when a job of
 * theirs ended, when one is to start here, and now and then; the store lets one of them have each.
 */
export class JobStarter {
  readonly #c: { table: JobTable; own: OwnJobs; log: Logger; world: World }
  readonly #init: JobStarterInit
  #looking: Promise<void> = Promise.resolve()
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(
    components: { table: JobTable; own: OwnJobs; log: Logger; world: World },
    init: JobStarterInit,
  ) {
    this.#c = components
    this.#init = init
  }

  start(): void {
    const { random, clock } = this.#c.world
    const everyMs = LOOK_MS * Math.max(1, this.#init.nodes() / LOOKERS)
    this.#timer = clock.after(everyMs * (0.8 + 0.4 * random.next()), () => {
      void this.look().finally(() => {
        if (!this.#stopped) this.start()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Starts what may start now, `hinted` even though it is young. One look at a time. */
  look(hinted?: string): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      try {
        if (!this.#stopped) await this.#look(hinted)
      } catch (error) {
        this.#c.log.debug({ err: toAriesError(error) }, 'could not look at the queue of jobs')
      }
    })
    return this.#looking
  }

  async #look(hinted: string | undefined): Promise<void> {
    const live = await this.#c.table.list('live', JOBS_LIMIT_MAX)
    for (const entry of live) await this.#settle(entry)
    if (!this.#init.mayStart()) return
    const queued = new Map(
      live.filter(({ info }) => info.state === 'queued').map((entry) => [entry.info.id, entry]),
    )
    const queue = [...queued.values()].map(({ info, ageMs }) => ({ ...info, ageMs }))
    const next = nextJobs(queue, this.#init.room(), {
      whole: this.#init.whole(),
      hinted,
      freshMs: FRESH_MS,
      patienceMs: PATIENCE_MS,
    })
    for (const id of next) await this.#begin(queued.get(id)!)
  }

  async #begin(entry: JobEntry): Promise<void> {
    const { table, own, world } = this.#c
    const { module, runs } = entry.info
    const found = await findModule(module, this.#init.limits.folders).catch(toAriesError)
    if ('message' in found) {
      const endedMs = world.clock.wallMs()
      const why = found.message
      await table.change(entry, {
        ...entry.info,
        state: 'ended',
        node: this.#init.node,
        endedMs,
        why,
      })
      return
    }
    if (!this.#init.mayStart()) return
    const { why: _, ...info } = entry.info
    const running: JobInfo = {
      ...info,
      state: 'running',
      node: this.#init.node,
      startedMs: world.clock.wallMs(),
      runs: runs + 1,
    }
    if (await table.change(entry, running)) own.begin(running, found)
  }

  /** A job whose node is gone is lost, or runs again. */
  async #settle(entry: JobEntry): Promise<void> {
    const { info, nodeGone } = entry
    if (info.state !== 'running' || !nodeGone || this.#c.own.has(info.id)) return
    const again = info.restart && info.runs < RUNS_MAX
    const why = `${info.node} ended or was cut off while it ran there`
    this.#c.log.warn({ job: info.id, node: info.node, again }, 'the node of a job is gone')
    await this.#c.table.change(
      entry,
      again
        ? { ...info, state: 'queued', node: null, startedMs: null, why }
        : { ...info, state: 'lost', endedMs: this.#c.world.clock.wallMs(), why },
    )
  }
}
