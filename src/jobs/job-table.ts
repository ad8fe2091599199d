import { AriesError } from '../errors.ts'
import type { JobRecord, JobStore } from '../store/store.ts'
import type { JobInfo } from './job.ts'

/** A job as it stands in the store, with the version that a change of it replaces. */
export interface JobEntry {
  readonly info: JobInfo
  readonly version: number
  readonly incarnation: number
  /** Since it was first written. */
  readonly ageMs: number
  /** See `JobRecord`. */
  readonly nodeGone: boolean
}

export interface JobTableInit {
  readonly node: string
  readonly incarnation: () => number
  readonly queueMax: number
}

/** The jobs of the cluster in the store. */
export class JobTable {
  readonly #store: JobStore
  readonly #init: JobTableInit

  constructor(components: { store: JobStore }, init: JobTableInit) {
    this.#store = components.store
    this.#init = init
  }

  /** Throws `ARIES_E_JOB_UNKNOWN`. */
  async get(id: string): Promise<JobEntry> {
    const entry = await this.find(id)
    if (entry) return entry
    throw new AriesError('ARIES_E_JOB_UNKNOWN', `there is no job "${id}"`)
  }

  async find(id: string): Promise<JobEntry | undefined> {
    const record = await this.#store.job(id)
    return record && toEntry(record)
  }

  async list(which: 'live' | 'past', limit: number): Promise<JobEntry[]> {
    return (await this.#store.jobs(which, limit)).map(toEntry)
  }

  /** False when there is one of that id. Throws `ARIES_E_OVERLOADED` when the queue is full. */
  async make(info: JobInfo): Promise<boolean> {
    const { queueMax } = this.#init
    const result = await this.#write({ info, version: 0, incarnation: 0 }, queueMax)
    if (result !== 'full') return result === 'ok'
    throw new AriesError(
      'ARIES_E_OVERLOADED',
      `the queue of jobs is full: ${queueMax} wait (jobs.queueMax)`,
    )
  }

  /**
   * Puts `info` in the place of what `entry` saw; false when another was faster. Throws
   * `ARIES_E_FENCED` when this node is not registered now.
   */
  async change(entry: Pick<JobEntry, 'version' | 'incarnation'>, info: JobInfo): Promise<boolean> {
    return (await this.#write({ ...entry, info })) === 'ok'
  }

  forget(keep: number, keepHours: number): Promise<void> {
    return this.#store.forgetJobs(keep, keepHours * 3_600_000)
  }

  async #write(
    { info, version, incarnation }: Pick<JobEntry, 'info' | 'version' | 'incarnation'>,
    queueMax?: number,
  ): Promise<'ok' | 'conflict' | 'full'> {
    const by = { node: this.#init.node, incarnation: this.#init.incarnation() }
    const isOwn = info.state === 'running' && info.node === by.node
    const result = await this.#store.writeJob({
      row: {
        id: info.id,
        version,
        state: info.state,
        node: info.node ?? '',
        incarnation: isOwn ? by.incarnation : incarnation,
        body: JSON.stringify(info),
      },
      by,
      ...(queueMax !== undefined && { queueMax }),
    })
    if (result !== 'fenced') return result
    throw new AriesError('ARIES_E_FENCED', `node ${by.node} is not registered in the store now`)
  }
}

function toEntry({ body, version, incarnation, ageMs, nodeGone }: JobRecord): JobEntry {
  return { info: JSON.parse(body) as JobInfo, version, incarnation, ageMs, nodeGone }
}
