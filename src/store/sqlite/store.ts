import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AriesError, type ErrorCode } from '../../errors.ts'
import type { WorkerId } from '../../identity.ts'
import type { Logger } from '../../log.ts'
import {
  checkAlarmRange,
  checkClaim,
  checkCount,
  checkId,
  checkJob,
  checkNode,
  checkRecord,
} from '../check.ts'
import { Group } from '../group.ts'
import { Packer, recordsBytes } from '../pack.ts'
import type {
  ClaimRequest,
  ClaimResult,
  CommitRecord,
  CommitResult,
  DueAlarm,
  Evictor,
  Incarnation,
  JobRecord,
  JobWrite,
  JobWriteResult,
  LoadedWorker,
  NodeRecord,
  OwnerRecord,
  Section,
  Store,
} from '../store.ts'
import type { FromThread, LoadedSlice, ReadJob, Reply, ToThread, WriteJob } from './ipc.ts'
import { watchNode } from './watch.ts'

/** The most one transaction writes before another process gets its turn, bytes. */
const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024
/** What a small record costs besides its values, in bytes written. */
const JOB_BYTES = 1_024
/** A large state is read in slices, so that commits get in between. */
const SLICE_BYTES = 4 * 1024 * 1024
/** A state that changes while it is read in slices is read whole after as many attempts. */
const SLICED_LOADS_MAX = 3

/** A write as callers hand it in; the values of a commit are packed when its batch is. */
type Write =
  | Exclude<WriteJob, { do: 'commit' }>
  | {
      readonly do: 'commit'
      readonly node: string
      readonly incarnation: Incarnation
      readonly records: readonly CommitRecord[]
      readonly bytes: number
    }

type BatchReply = Extract<FromThread, { batch: number }>

interface Batch {
  resolve(replies: readonly Reply[]): void
  reject(error: AriesError): void
}

/**
 * The embedded store: one file, shared by all processes of one machine. SQLite's calls block (an
 * fsync, a lock), so a thread makes them; one batch of writes is with it at a time, each batch one
 * transaction.
 */
export class SqliteStore implements Store {
  readonly description: string
  readonly #thread: Worker
  readonly #batches = new Map<number, Batch>()
  readonly #reads: Group<ReadJob, Reply>
  readonly #writes: Group<Write, Reply>
  readonly #watches = new Set<() => void>()
  #batch = 0
  #failure: AriesError | undefined
  #closed: Promise<void> | undefined

  private constructor(thread: Worker, path: string) {
    this.description = `sqlite:${path}`
    this.#thread = thread
    this.#reads = new Group(
      { run: (reads) => this.#send((batch) => ({ batch, reads })), weigh: () => 1 },
      { weightMax: 64 },
    )
    this.#writes = new Group(
      { run: (writes) => this.#write(writes), weigh: weighWrite },
      { weightMax: TRANSACTION_BYTES_MAX },
    )
  }

  /** Opens or makes the file at the absolute `path`. Throws `ARIES_E_STORE`. */
  static async open(components: { log: Logger }, path: string): Promise<SqliteStore> {
    // Type stripping keeps the extension of the sources, a build changes it.
    const file = new URL(`./thread${extname(import.meta.url)}`, import.meta.url)
    const thread = new Worker(file, { workerData: { path }, execArgv: [], name: 'store' })
    const store = new SqliteStore(thread, path)
    await store.#opened()
    components.log.debug({ store: store.description }, 'store open')
    return store
  }

  async register(node: string, leaseMs: number): Promise<Incarnation> {
    checkNode(node)
    checkCount('leaseMs', leaseMs)
    return (await this.#writes.add({ do: 'register', node, leaseMs })) as Incarnation
  }

  async renew(node: string, incarnation: Incarnation, leaseMs: number): Promise<boolean> {
    checkCount('incarnation', incarnation)
    checkCount('leaseMs', leaseMs)
    return (await this.#writes.add({ do: 'renew', node, incarnation, leaseMs })) as boolean
  }

  async leave(node: string, incarnation: Incarnation): Promise<void> {
    checkCount('incarnation', incarnation)
    await this.#writes.add({ do: 'end', node, incarnation, status: 'left' })
  }

  async evict(node: string, incarnation: Incarnation, by?: Evictor): Promise<boolean> {
    checkCount('incarnation', incarnation)
    return (await this.#writes.add({
      do: 'end',
      node,
      incarnation,
      status: 'evicted',
      by,
    })) as boolean
  }

  async nodes(): Promise<NodeRecord[]> {
    return (await this.#reads.add({ do: 'nodes' })) as NodeRecord[]
  }

  watch(node: string, onEvicted: () => void): () => void {
    const stop = watchNode(this, node, onEvicted)
    this.#watches.add(stop)
    return () => {
      this.#watches.delete(stop)
      stop()
    }
  }

  async owner(id: WorkerId): Promise<OwnerRecord | undefined> {
    checkId(id)
    return (await this.#reads.add({ do: 'owner', id })) as OwnerRecord | undefined
  }

  async ownedBy(node: string, limit: number, after?: WorkerId): Promise<OwnerRecord[]> {
    checkCount('limit', limit)
    return (await this.#reads.add({ do: 'ownedBy', node, limit, after })) as OwnerRecord[]
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    checkClaim(request)
    return (await this.#writes.add({ do: 'claim', request })) as ClaimResult
  }

  async commit(
    node: string,
    incarnation: Incarnation,
    records: readonly CommitRecord[],
  ): Promise<CommitResult[]> {
    checkCount('incarnation', incarnation)
    for (const record of records) checkRecord(record)
    const job: Write = { do: 'commit', node, incarnation, records, bytes: recordsBytes(records) }
    return (await this.#writes.add(job, true)) as CommitResult[]
  }

  async load(id: WorkerId): Promise<LoadedWorker | undefined> {
    checkId(id)
    for (let attempt = 0; attempt < SLICED_LOADS_MAX; attempt++) {
      const loaded = await this.#loadSliced(id)
      if (loaded !== 'changed') return loaded
    }
    return this.#loadSlice(id, undefined, Number.MAX_SAFE_INTEGER)
  }

  async dueAlarms(afterMs: number, beforeMs: number, limit: number): Promise<DueAlarm[]> {
    checkAlarmRange(afterMs, beforeMs, limit)
    return (await this.#reads.add({ do: 'alarms', afterMs, beforeMs, limit })) as DueAlarm[]
  }

  async job(id: string): Promise<JobRecord | undefined> {
    return (await this.#reads.add({ do: 'job', id })) as JobRecord | undefined
  }

  async jobs(which: 'live' | 'past', limit: number): Promise<JobRecord[]> {
    checkCount('limit', limit)
    return (await this.#reads.add({ do: 'jobs', which, limit })) as JobRecord[]
  }

  async writeJob(write: JobWrite): Promise<JobWriteResult> {
    checkJob(write)
    return (await this.#writes.add({ do: 'write-job', write })) as JobWriteResult
  }

  async forgetJobs(keep: number, keepMs: number): Promise<void> {
    checkCount('keep', keep)
    checkCount('keepMs', keepMs)
    await this.#writes.add({ do: 'forget-jobs', keep, keepMs })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    for (const stop of this.#watches) stop()
    await Promise.all([this.#reads.close(), this.#writes.close()])
    if (this.#failure !== undefined) return
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#post({ close: true }, [])
    await ended
  }

  async #loadSliced(id: WorkerId): Promise<LoadedWorker | undefined | 'changed'> {
    const first = await this.#loadSlice(id, undefined, SLICE_BYTES)
    if (first === undefined) return undefined
    const { epoch, seq, version } = first
    const sections: Section[] = [...first.sections]
    let more = first.more
    while (more) {
      const next = await this.#loadSlice(id, sections.at(-1)?.name, SLICE_BYTES)
      if (next?.epoch !== epoch || next.seq !== seq) return 'changed'
      for (const section of next.sections) sections.push(section)
      more = next.more
    }
    return { epoch, seq, version, sections }
  }

  async #loadSlice(
    id: WorkerId,
    after: string | undefined,
    bytesMax: number,
  ): Promise<LoadedSlice | undefined> {
    const job: ReadJob = { do: 'load', id, after, bytesMax }
    return (await this.#reads.add(job)) as LoadedSlice | undefined
  }

  #write(writes: readonly Write[]): Promise<readonly Reply[]> {
    let bytes = 0
    for (const write of writes) if (write.do === 'commit') bytes += write.bytes
    const packer = new Packer(bytes)
    const jobs = writes.map((write): WriteJob => {
      if (write.do !== 'commit') return write
      const { node, incarnation, records } = write
      const packed = records.map((record) => packer.addRecord(record))
      return { do: 'commit', node, incarnation, records: packed }
    })
    const values = packer.buffer
    return this.#send((batch) => ({ batch, writes: jobs, values }), [values.buffer])
  }

  #send(message: (batch: number) => ToThread, move: ArrayBuffer[] = []): Promise<readonly Reply[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const batch = ++this.#batch
    return new Promise((resolve, reject) => {
      this.#batches.set(batch, { resolve, reject })
      this.#post(message(batch), move)
    })
  }

  #post(message: ToThread, move: ArrayBuffer[]): void {
    this.#thread.postMessage(message, move)
  }

  /** Resolves when the thread has the database open. */
  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (message: string, code: ErrorCode = 'ARIES_E_STORE'): void => {
        this.#failure ??= new AriesError(code, `${this.description}: ${message}`)
        for (const batch of this.#batches.values()) batch.reject(this.#failure)
        this.#batches.clear()
        reject(this.#failure)
      }
      this.#thread.on('message', (message: FromThread) => {
        if ('open' in message) resolve()
        else if ('failed' in message) failed(message.failed, message.code)
        else this.#settle(message)
      })
      this.#thread.on('error', (error) => failed(error.message))
      this.#thread.on('exit', () => failed('the thread of the store has ended'))
    })
  }

  #settle(message: BatchReply): void {
    const batch = this.#batches.get(message.batch)
    this.#batches.delete(message.batch)
    if ('replies' in message) batch?.resolve(message.replies)
    else batch?.reject(new AriesError(message.code, `${this.description}: ${message.message}`))
  }
}

function weighWrite(write: Write): number {
  return write.do === 'commit' ? write.bytes + JOB_BYTES * write.records.length : JOB_BYTES
}
