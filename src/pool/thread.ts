/**
 * What runs in a task thread: the task's module gets a `Request` and gives a `Response`.
 *
 * A task may leave something behind that fails after it has answered: a rejected promise, a timer
 * that throws. By default that ends the thread, and with it the next task that runs there. Here it
 * ends the task that caused it when that still runs, and is only told when it does not.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'
import { AriesError } from '../errors.ts'
import { describeLoadError } from '../load-error.ts'
import { isInnerHeader } from '../wire.ts'
import { giveAuthorsAries } from '../worker/author-import.ts'
import type { Task } from '../worker/task.ts'
import { workersBy } from '../worker/workers.ts'
import type { StrayFailure, TaskCall, TaskFailure, TaskReply } from './exchange.ts'
import { callFromThread } from './thread-calls.ts'

class Running {
  readonly task: string
  settle: ((reply: TaskReply) => void) | undefined

  constructor(task: string, settle: (reply: TaskReply) => void) {
    this.task = task
    this.settle = settle
  }

  /** The first word counts. */
  end(reply: TaskReply): void {
    this.settle?.(reply)
    this.settle = undefined
  }
}

giveAuthorsAries()

const current = new AsyncLocalStorage<Running>()
const workers = workersBy(callFromThread)
const tasks = new Map<string, Task>()

process.on('uncaughtException', strayFailure)
process.on('unhandledRejection', strayFailure)

function strayFailure(thrown: unknown): void {
  const running = current.getStore()
  if (running?.settle) {
    running.end(failure(thrown))
    return
  }
  const { message, stack } = failure(thrown)
  const stray: StrayFailure = { task: running?.task, message, stack }
  parentPort?.postMessage(stray)
}

/** Entry of piscina. */
export default function run(call: TaskCall): Promise<TaskReply> {
  return new Promise((resolve) => {
    const running = new Running(call.task, resolve)
    current.run(running, () => {
      answer(call).then(
        (reply) => running.end(reply),
        (thrown: unknown) => running.end(failure(thrown)),
      )
    })
  })
}

/** Loads modules of tasks; resolves with what is wrong with the first that does not load. */
export async function check(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    try {
      await load(file)
    } catch (error) {
      return await describeLoadError(file, error)
    }
  }
  return undefined
}

async function answer(call: TaskCall): Promise<TaskReply> {
  const task = tasks.get(call.file) ?? (await load(call.file))
  const request = new Request(call.url, {
    method: call.method,
    headers: call.headers as [string, string][],
    ...(call.body && { body: call.body as Uint8Array<ArrayBuffer> }),
  })
  const response: unknown = await task(request, { node: call.node, task: call.task, workers })
  if (!(response instanceof Response)) {
    throw new Error(`the task returned ${describe(response)} instead of a Response`)
  }
  const headers: [string, string][] = []
  for (const [name, value] of response.headers) {
    if (!isInnerHeader(name) && name !== 'content-length') headers.push([name, value])
  }
  const body = await readAll(response, call.replyBytesMax)
  return { ok: true, status: response.status, headers, body }
}

async function load(file: string): Promise<Task> {
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
  if (typeof module.default !== 'function') {
    const why = 'the module of the task has no function as its default export'
    throw new AriesError('ARIES_E_TASK_FAILED', why)
  }
  tasks.set(file, module.default as Task)
  return module.default as Task
}

async function readAll(response: Response, bytesMax: number): Promise<Uint8Array | undefined> {
  if (response.body === null) return undefined
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) {
      throw new Error(`the response is larger than pool.bodyBytesMax (${bytesMax} bytes)`)
    }
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes)
}

function failure(thrown: unknown): TaskFailure {
  if (thrown instanceof Error) return { ok: false, message: thrown.message, stack: thrown.stack }
  return { ok: false, message: `the task threw ${describe(thrown)}`, stack: undefined }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 200))
  if (value === null || typeof value !== 'object') return typeof value
  return value.constructor?.name ?? 'an object'
}
