import { randomUUID } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { AriesError, toAriesError } from '../errors.ts'
import type { Membership } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import { memoryBytesMax } from '../node/machine.ts'
import type { Placer } from '../node/placer.ts'
import type { Peers } from '../peers.ts'
import { choose } from '../placement/choose.ts'
import type { ProcessInfo } from '../rpc.ts'
import type { JobStore } from '../store/store.ts'
import type { TimerHandle, World } from '../world.ts'
import { JOBS_LIMIT_MAX, type JobInfo, type JobSpec } from './job.ts'
import { findModule } from './job-folders.ts'
import type { Room } from './job-queue.ts'
import { JobRunner } from './job-runner.ts'
import { JobStarter } from './job-starter.ts'
import { JobTable } from './job-table.ts'
import type { JobUsage } from './keeper/ipc.ts'
import { readOutput } from './output-reader.ts'
import { OwnJobs } from './own-jobs.ts'

/** Nodes that are asked to start a job before it is left to the queue. */
const TRIES_MAX = 8
const KILL_TRIES_MAX = 5
const TIDY_MS = 60_000
/** Who follows the output of the jobs of one node. */
const FOLLOWERS_MAX = 64

export interface JobsComponents {
  readonly store: JobStore
  readonly membership: Membership
  readonly placer: Placer
  readonly peers: Peers
  readonly log: Logger
  readonly world: World
}

export interface JobsInit {
  readonly node: string
  readonly config: Config
  readonly incarnation: () => number
  /** Whether this node takes new work. */
  readonly takes: () => boolean
  /** A job that asked for so many cores begins here. */
  readonly begun: (cpu: number) => void
}

/** The jobs of the cluster as one node sees to them. */
export class Jobs {
  readonly #c: JobsComponents
  readonly #init: JobsInit
  readonly #table: JobTable
  readonly #own: OwnJobs
  readonly #starter: JobStarter
  #tidying: TimerHandle | undefined
  #followers = 0

  constructor(components: JobsComponents, init: JobsInit) {
    const { store, log, world, membership } = components
    const { node, incarnation } = init
    const limits = init.config.jobs
    this.#c = components
    this.#init = init
    this.#table = new JobTable({ store }, { node, incarnation, queueMax: limits.queueMax })
    const { outputBytesMax } = limits
    const setup = { node, logLevel: init.config.log.level, outputBytesMax }
    this.#own = new OwnJobs(
      {
        table: this.#table,
        log,
        world,
        runner: (ended) => new JobRunner({ log, world }, { setup }, { ended }),
      },
      { node, limits },
      { freed: () => void this.#starter.look(), begun: (cpu) => init.begun(cpu) },
    )
    this.#starter = new JobStarter(
      { table: this.#table, own: this.#own, log, world },
      {
        node,
        limits,
        mayStart: () => incarnation() !== 0 && init.takes(),
        whole: () => this.#whole,
        room: () => {
          const used = membership.member(node)?.load?.memoryBytes ?? 0
          return this.#own.room(this.#whole, used)
        },
        nodes: () => membership.members().length,
      },
    )
  }

  get counts(): OwnJobs['counts'] {
    return this.#own.counts
  }

  get infos(): ProcessInfo[] {
    return this.#own.runner.infos
  }

  get usages(): readonly JobUsage[] {
    return this.#own.runner.usages
  }

  start(): void {
    if (this.#init.config.jobs.folders.length === 0) return
    this.#starter.start()
    this.#tidyLater()
  }

  /** Ends the jobs of this node; while the store is still there. */
  async stop(): Promise<void> {
    this.#starter.stop()
    this.#tidying?.cancel()
    await this.#own.stop()
  }

  granted(): void {
    this.#own.adopt().catch((error) => {
      this.#c.log.warn({ err: toAriesError(error) }, 'the store did not take the jobs of this node')
    })
  }

  lost(): void {
    this.#own.fence()
  }

  /** Waits for the jobs of this node; resolves with the ids of those that still run. */
  drain(stillWanted: () => boolean): Promise<readonly string[]> {
    return this.#own.drain(this.#init.config.jobs.drainMs, stillWanted)
  }

  /** Takes a job and has it started where it costs least; when nobody has room it is queued. */
  async submit(spec: JobSpec): Promise<JobInfo> {
    const { limits } = this
    await findModule(spec.module, limits.folders)
    const room = this.#whole
    if (spec.cpu > room.cpu || spec.memoryBytes > room.memoryBytes) {
      const has = `${room.cpu} cores and ${room.memoryBytes} bytes of memory`
      throw new AriesError(
        'ARIES_E_JOB_REFUSED',
        `a node has ${has} for jobs, and it asks for more`,
      )
    }
    const info: JobInfo = {
      ...spec,
      id: randomUUID().replaceAll('-', '').slice(0, 10),
      state: 'queued',
      node: null,
      runs: 0,
      queuedMs: this.#c.world.clock.wallMs(),
      startedMs: null,
      endedMs: null,
      exitCode: null,
      signal: null,
    }
    if (!(await this.#table.make(info))) return this.submit(spec)
    await this.#place(info)
    return this.info(info.id)
  }

  /** Another node chose this one for the job: true when it runs here. */
  async hint(id: string): Promise<boolean> {
    await this.#starter.look(id)
    return this.#own.has(id)
  }

  /** Those that are queued or run, and after them, if wanted, those of the past. */
  async list(past: boolean, limit: number): Promise<JobInfo[]> {
    const live = await this.#table.list('live', limit)
    const old = past ? await this.#table.list('past', limit) : []
    return [...live, ...old].slice(0, limit).map(({ info }) => info)
  }

  async info(id: string): Promise<JobInfo> {
    return (await this.#table.get(id)).info
  }

  /** Undefined: SIGTERM, and SIGKILL for who has not ended after `jobs.graceMs`. */
  async kill(id: string, signal: NodeJS.Signals | undefined): Promise<JobInfo> {
    for (let tries = 0; tries < KILL_TRIES_MAX; tries++) {
      const entry = await this.#table.get(id)
      const { info } = entry
      if (info.state === 'ended' || info.state === 'lost') return info
      if (info.state === 'running') return this.#killRunning(info, signal)
      const endedMs = this.#c.world.clock.wallMs()
      const why = 'it was killed before it began'
      const ended = { ...info, state: 'ended', endedMs, signal: signal ?? 'SIGTERM', why } as const
      if (await this.#table.change(entry, ended)) return ended
    }
    throw new AriesError('ARIES_E_OVERLOADED', `job ${id} changes too often; try again`)
  }

  /** What a job of this node printed, as frames. */
  async *output(id: string, from: number, follow: boolean): AsyncGenerator<Buffer> {
    if (this.#followers >= FOLLOWERS_MAX) {
      throw new AriesError('ARIES_E_OVERLOADED', `${FOLLOWERS_MAX} read the output of jobs here`)
    }
    this.#followers++
    try {
      const isLive = (): boolean => follow && this.#own.has(id)
      yield* readOutput(this.#c.world.clock, this.#own.folder(id), { from, isLive })
    } finally {
      this.#followers--
    }
  }

  /** Gives a job of this node its standard input; what it does not read is dropped. */
  async input(id: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    if (!this.#own.has(id)) {
      throw new AriesError('ARIES_E_JOB_UNKNOWN', `job ${id} does not run on this node now`)
    }
    for await (const piece of pieces) {
      if (!(await this.#own.runner.input(id, piece))) return
    }
    await this.#own.runner.input(id, undefined)
  }

  get limits(): Config['jobs'] {
    return this.#init.config.jobs
  }

  get #whole(): Room {
    return { cpu: this.limits.cpu ?? availableParallelism(), memoryBytes: memoryBytesMax() }
  }

  async #place(info: JobInfo): Promise<void> {
    const { placer, peers, membership, world } = this.#c
    const refused = new Map<string, string>()
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const candidates = placer.candidates()
      const { cpu, memoryBytes } = info
      const { chosen } = choose(
        candidates,
        { cpu, memoryBytes, requests: 0, connections: 0, workers: 0 },
        {
          random: world.random,
          sample: this.#init.config.placement.candidates,
          nMachines: Math.max(2, candidates.length),
          local: membership.selfId,
          refused,
          excluded: (node) => placer.exclusion(node),
        },
      )
      if (chosen === undefined) return
      const isHere = chosen === membership.selfId
      const started = isHere
        ? await this.hint(info.id)
        : await peers
            .call(chosen, 'jobhint', { id: info.id })
            .then((answer) => answer.started)
            .catch(() => false)
      if (started) return
      refused.set(chosen, 'no room')
    }
  }

  async #killRunning(info: JobInfo, signal: NodeJS.Signals | undefined): Promise<JobInfo> {
    const { id, node } = info
    if (node === this.#init.node) this.#own.kill(id, signal)
    else await this.#c.peers.call(node!, 'jobkill', { id, ...(signal && { signal }) })
    return info
  }

  #tidyLater(): void {
    const { clock, random } = this.#c.world
    this.#tidying = clock.after(TIDY_MS * (0.5 + random.next()), () => {
      void this.tidy()
        .catch((error) => this.#c.log.debug({ err: toAriesError(error) }, 'could not tidy up jobs'))
        .finally(() => this.#tidyLater())
    })
  }

  /** Forgets what is beyond the bounds, in the store and of the output here. */
  async tidy(): Promise<void> {
    const { keep, keepHours } = this.limits
    await this.#table.forget(keep, keepHours)
    const folder = dirname(this.#own.folder('any'))
    const found = await readdir(folder).catch(() => [])
    if (found.length === 0) return
    const [live, past] = await Promise.all([
      this.#table.list('live', JOBS_LIMIT_MAX),
      this.#table.list('past', JOBS_LIMIT_MAX),
    ])
    const known = new Set([...live, ...past].map(({ info }) => info.id))
    for (const id of found) {
      if (known.has(id) || this.#own.has(id)) continue
      await rm(join(folder, id), { recursive: true, force: true })
    }
  }
}
