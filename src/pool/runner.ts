/**
 * Tasks on piscina threads, one at a time in each: admission, time limit, and what became of them.
 *
 * The queue is ours and not piscina's: its limit does not hold for tasks that can be aborted, and
 * in ours a task whose client went away costs nothing to remove. Time limits are looked after by
 * one sweep, not by a timer per task.
 */
import { Piscina, queueOptionsSymbol } from 'piscina'
import type { ConfigFile } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { entryUrl } from '../module-url.ts'
import type { ToldLoad } from '../wire.ts'
import type { CallsOpened } from './call-messages.ts'
import type { StrayFailure, TaskCall, TaskReply } from './exchange.ts'
import { heapMbHard, MemoryWatch } from './memory-watch.ts'
import { TaskRun } from './run.ts'
import type { TaskCalls } from './task-calls.ts'

const SWEEP_MS = 50
/** A thread that had nothing to do for so long ends; one always stays. */
const IDLE_TIMEOUT_MS = 30_000
/** A new thread must be there within this. */
const THREAD_START_MS_MAX = 10_000

export class TaskRunner {
  completed = 0
  failed = 0
  readonly #log: Logger
  readonly #calls: TaskCalls
  readonly #limits: ConfigFile['pool']
  readonly #threads: number
  readonly #piscina: Piscina
  readonly #memory: MemoryWatch
  readonly #running = new Set<TaskRun>()
  readonly #waiting = new Set<TaskRun>()
  readonly #sweep: NodeJS.Timeout

  constructor(
    components: { log: Logger; calls: TaskCalls },
    init: { limits: ConfigFile['pool']; threads: number },
  ) {
    this.#log = components.log
    this.#calls = components.calls
    this.#limits = init.limits
    this.#threads = init.threads
    this.#piscina = new Piscina({
      filename: entryUrl('./thread.ts', import.meta.url).href,
      minThreads: 1,
      maxThreads: init.threads,
      idleTimeout: IDLE_TIMEOUT_MS,
      atomics: 'async',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: heapMbHard(init.limits.taskMemoryMb) },
      loadBalancer: (task, workers) => {
        const worker = workers.find(
          ({ id, currentUsage }) => currentUsage === 0 && !this.#memory.isRetired(id),
        )
        if (worker === undefined) return null
        const run = task[queueOptionsSymbol]
        if (run instanceof TaskRun) {
          run.threadId = worker.id
          run.deadlineMs = performance.now() + this.#limits.taskTimeoutMs
        }
        return worker
      },
    })
    this.#piscina.on('error', (error) => this.#log.error({ err: error }, 'task thread failed'))
    this.#piscina.on('message', (said: StrayFailure | CallsOpened) => {
      if ('calls' in said) {
        this.#calls.connect(said.calls)
        return
      }
      const { message, ...stray } = said
      this.#log.error(stray, `failed after the task had answered: ${message}`)
    })
    this.#memory = new MemoryWatch(
      { log: this.#log, threads: () => this.#piscina.threads },
      { limitMb: init.limits.taskMemoryMb },
    )
    this.#sweep = setInterval(() => this.#look(), SWEEP_MS)
    this.#sweep.unref()
  }

  /** Tasks running and waiting. */
  get requests(): number {
    return this.#running.size + this.#waiting.size
  }

  /** What fronts are told on each answer. */
  get load(): ToldLoad {
    return { requests: this.requests, threads: this.#threads }
  }

  /** Starts the task or lets it wait. Throws `ARIES_E_OVERLOADED` when too many wait already. */
  submit(call: TaskCall): TaskRun {
    const starts = this.#running.size < this.#threads
    if (!starts && this.#waiting.size >= this.#limits.queueMax) {
      throw new AriesError(
        'ARIES_E_OVERLOADED',
        `${this.#waiting.size} tasks wait for a thread of node ${call.node} (pool.queueMax)`,
      )
    }
    const run = new TaskRun(call)
    if (starts) this.#start(run)
    else this.#waiting.add(run)
    return run
  }

  /** Loads modules of tasks in a thread; resolves with what is wrong with one that does not load. */
  async check(files: readonly string[]): Promise<string | undefined> {
    const limitMs = this.#limits.taskTimeoutMs + THREAD_START_MS_MAX
    const signal = AbortSignal.timeout(limitMs)
    try {
      return (await this.#piscina.run(files, { name: 'check', signal })) as string | undefined
    } catch (error) {
      return signal.aborted ? `tasks are not loaded after ${limitMs} ms` : String(error)
    }
  }

  /** Nobody waits for the result any more: a task that has not begun never will. */
  forsake(run: TaskRun): void {
    if (!this.#waiting.delete(run)) return
    run.fail(new AriesError('ARIES_E_TIMEOUT', 'the caller went away before the task began'))
  }

  /** Ends all threads, with what runs in them. */
  async stop(): Promise<void> {
    clearInterval(this.#sweep)
    await this.#piscina.destroy()
  }

  #start(run: TaskRun): void {
    this.#running.add(run)
    // Until a thread takes it; a new one takes its time, more so on a busy machine.
    run.deadlineMs = performance.now() + this.#limits.taskTimeoutMs + THREAD_START_MS_MAX
    const task: TaskCall = Object.assign(run.call, { [queueOptionsSymbol]: run })
    this.#piscina.run(task, { signal: run }).then(
      (reply) => this.#replied(run, reply as TaskReply),
      (error: unknown) => this.#failed(run, run.reason ?? endOfThread(error)),
    )
  }

  #replied(run: TaskRun, reply: TaskReply): void {
    if (!reply.ok) {
      const { task } = run.call
      this.#log.error({ task, stack: reply.stack }, `task failed: ${reply.message}`)
      this.#failed(run, new AriesError('ARIES_E_TASK_FAILED', `task ${task}: ${reply.message}`))
      return
    }
    this.completed++
    this.#next(run)
    run.settle(reply)
  }

  #failed(run: TaskRun, error: AriesError): void {
    this.failed++
    if (error.code !== 'ARIES_E_TASK_FAILED') {
      this.#log.error({ task: run.call.task, code: error.code }, error.message)
    }
    this.#next(run)
    run.fail(error)
  }

  #next(ended: TaskRun): void {
    this.#running.delete(ended)
    for (const run of this.#waiting) {
      if (this.#running.size >= this.#threads) return
      this.#waiting.delete(run)
      this.#start(run)
    }
  }

  #look(): void {
    const nowMs = performance.now()
    for (const run of this.#running) {
      if (nowMs < run.deadlineMs) continue
      const limitMs = this.#limits.taskTimeoutMs
      run.stop(
        new AriesError(
          'ARIES_E_TASK_TIMEOUT',
          `task ${run.call.task} ran longer than ${limitMs} ms (pool.taskTimeoutMs) and was stopped`,
        ),
      )
    }
    this.#memory.look(this.#running)
  }
}

function endOfThread(error: unknown): AriesError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new AriesError('ARIES_E_TASK_MEMORY', 'the task used up the heap and was stopped')
  }
  const why = /exited with code: (\d+)/.exec(message)
  const said = why ? `the task ended its thread with exit code ${why[1]}` : message
  return new AriesError('ARIES_E_TASK_FAILED', said, { cause: error })
}
