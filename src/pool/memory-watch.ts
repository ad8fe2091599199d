/**
 * Memory of task threads, on and off the heap.
 *
 * V8's own limit is not enough. It does not know Buffers and ArrayBuffers; and when one allocation
 * of a thread goes far beyond it (a large Map that doubles its table), V8 ends the whole process
 * and every other task in it. So V8 gets a limit that is well above ours, and ours is kept from
 * outside, by looking at the threads several times a second.
 *
 * What a thread uses includes garbage that is not collected yet. A thread is therefore stopped when
 * it stays above the limit for a while, or at once when it is above twice the limit.
 */
import type { Worker } from 'node:worker_threads'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { TaskRun } from './run.ts'

const MB = 1_048_576
/** Samples in a row above the limit that end a task. */
const SAMPLES_ABOVE_MAX = 4
/** Idle threads are looked at on every so many looks. */
const IDLE_EVERY = 10
/** Room above the limit for the largest single allocation that V8 can make. */
const HARD_EXTRA_MB = 1_024

/** The limit that V8 itself gets. */
export function heapMbHard(limitMb: number): number {
  return 2 * limitMb + HARD_EXTRA_MB
}

export class MemoryWatch {
  readonly #log: Logger
  readonly #threads: () => readonly Worker[]
  readonly #limitBytes: number
  /** Threads whose last answer is still out: a long native call keeps a thread from answering. */
  readonly #asked = new WeakSet<Worker>()
  /** Ids of threads that are being ended between two tasks. */
  readonly #retired = new Set<number>()
  #looks = 0

  constructor(
    components: { log: Logger; threads: () => readonly Worker[] },
    init: { limitMb: number },
  ) {
    this.#log = components.log
    this.#threads = components.threads
    this.#limitBytes = init.limitMb * MB
  }

  /** Whether no new task may be given to the thread. */
  isRetired(threadId: number): boolean {
    return this.#retired.has(threadId)
  }

  /** Looks at the threads of all tasks that run, and now and then at the others. */
  look(running: Iterable<TaskRun>): void {
    const runOf = new Map<number, TaskRun>()
    for (const run of running) runOf.set(run.threadId, run)
    const idleToo = ++this.#looks % IDLE_EVERY === 0
    if (runOf.size === 0 && !idleToo) return
    for (const thread of this.#threads()) {
      const run = runOf.get(thread.threadId)
      if (!run && this.#retired.has(thread.threadId)) void thread.terminate()
      else if (run || idleToo) this.#ask(thread, run)
    }
  }

  #ask(thread: Worker, run: TaskRun | undefined): void {
    if (this.#asked.has(thread)) return
    this.#asked.add(thread)
    thread.getHeapStatistics().then(
      ({ used_heap_size, external_memory }) => {
        this.#asked.delete(thread)
        const bytes = used_heap_size + external_memory
        if (run) this.#judge(run, bytes)
        else if (bytes > this.#limitBytes) this.#retire(thread, bytes)
      },
      // The thread has ended, or has not begun yet.
      () => this.#asked.delete(thread),
    )
  }

  #judge(run: TaskRun, bytes: number): void {
    run.samplesAbove = bytes > this.#limitBytes ? run.samplesAbove + 1 : 0
    if (run.samplesAbove < SAMPLES_ABOVE_MAX && bytes <= 2 * this.#limitBytes) return
    run.stop(
      new AriesError(
        'ARIES_E_TASK_MEMORY',
        `task ${run.call.task} used ${Math.round(bytes / MB)} MB, more than ${this.#limitBytes / MB} MB (pool.taskMemoryMb), and was stopped`,
      ),
    )
  }

  /** Earlier tasks left it full: it ends, when it is idle, before another has to suffer for it. */
  #retire(thread: Worker, bytes: number): void {
    const id = thread.threadId
    if (id < 0 || this.#retired.has(id)) return
    this.#log.warn({ thread: id, bytes }, 'tasks left memory in their thread, it is replaced')
    this.#retired.add(id)
    thread.once('exit', () => this.#retired.delete(id))
  }
}
