/** Other workers as authors of workers and tasks see them: handles to fetch from and to call. */
import { formatWorkerId, isClassName, isWorkerKey, type WorkerId } from '../identity.ts'
import { isInnerHeader } from '../wire.ts'
import { CallError } from './call-error.ts'
import { decodeValue, encodeValue } from './section.ts'
import type { Worker } from './worker.ts'

/** `this.workers` of a worker, `ctx.workers` of a task. */
export interface Workers {
  /** A handle; nothing is sent. Throws for a class or key that cannot be one. */
  get<W extends object = Worker>(className: string, key: string): WorkerHandle<W>
}

export interface CallOptions {
  /** Idempotency-Key: sent again under the same key, also from elsewhere, it counts once. */
  readonly key?: string
  /** Longest wait for the answer, milliseconds; `calls.timeoutMs` by default. */
  readonly timeoutMs?: number
  /** The call is given up when it aborts; one that has begun at the worker runs on there. */
  readonly signal?: AbortSignal
}

/** Another worker, wherever it lives. Each call is a turn of it; see docs/reference/worker.md. */
export interface WorkerHandle<W extends object = Worker> {
  readonly className: string
  readonly key: string
  /** Its public methods. Arguments and results are copied as structured clone does. */
  readonly call: WorkerCalls<W>
  /** Its `fetch`, with the whole answer in memory. A path alone will do as URL. */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>
  /** The same worker, called with these options. */
  with(options: CallOptions): WorkerHandle<W>
}

/** The methods that the author wrote on the class, each answering with a promise. */
export type WorkerCalls<W extends object> = {
  readonly [M in MethodOf<W>]: W[M] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never
}

type MethodOf<W extends object> = {
  [M in Exclude<keyof W, keyof Worker>]: W[M] extends (...args: never[]) => unknown ? M : never
}[Exclude<keyof W, keyof Worker>]

/** A call as it leaves for its worker. */
export interface OutgoingCall {
  readonly id: WorkerId
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array | undefined
  /** The method of the class that is called, with `body` its arguments; undefined: `fetch`. */
  readonly calls: string | undefined
  readonly key: string | undefined
  readonly timeoutMs: number | undefined
}

export interface CallAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array | undefined
}

/** Takes a call to its worker. Rejects with a `CallError`, or with the reason of `signal`. */
export type MakeCall = (call: OutgoingCall, signal?: AbortSignal) => Promise<CallAnswer>

/** What a class may offer to callers: a letter first, so that `_helper` stays its own. */
export const METHOD_NAME: RegExp = /^[a-z][\w$]{0,127}$/i

/** Statuses for which `Response` takes no body. */
const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** What whoever looks at a handle may ask it by itself: `await` and JSON. */
const NOT_A_CALL: ReadonlySet<string | symbol> = new Set(['then', 'toJSON'])

export function workersBy(makeCall: MakeCall): Workers {
  return {
    get<W extends object>(className: string, key: string): WorkerHandle<W> {
      if (!isClassName(className) || typeof key !== 'string' || !isWorkerKey(key)) {
        const name = `${className}/${key}`.slice(0, 100)
        throw new CallError('ARIES_E_BAD_REQUEST', name, `there can be no worker "${name}"`)
      }
      return handleOf({ class: className, key }, {}, makeCall)
    },
  }
}

function handleOf<W extends object>(
  id: WorkerId,
  options: CallOptions,
  makeCall: MakeCall,
): WorkerHandle<W> {
  const call = new Proxy(Object.freeze({}), {
    get: (_target, name) => {
      if (typeof name !== 'string' || NOT_A_CALL.has(name)) return undefined
      return (...args: unknown[]) => callMethod({ id, options, makeCall }, name, args)
    },
  })
  return {
    className: id.class,
    key: id.key,
    call: call as WorkerCalls<W>,
    fetch: (input, init) => fetchFrom({ id, options, makeCall }, input, init),
    with: (more) => handleOf(id, { ...options, ...more }, makeCall),
  }
}

interface Callee {
  readonly id: WorkerId
  readonly options: CallOptions
  readonly makeCall: MakeCall
}

async function callMethod(callee: Callee, name: string, args: unknown[]): Promise<unknown> {
  const { id, options, makeCall } = callee
  const worker = formatWorkerId(id)
  if (!METHOD_NAME.test(name)) {
    throw new CallError('ARIES_E_CALL_UNKNOWN', worker, `no method of a worker is called "${name}"`)
  }
  const { key, timeoutMs, signal } = options
  const body = encoded(worker, name, args)
  const answer = await makeCall(
    { id, method: 'POST', url: `/${name}`, headers: [], body, calls: name, key, timeoutMs },
    signal,
  )
  return answer.body && decodeValue(answer.body)
}

function encoded(worker: string, name: string, args: unknown[]): Uint8Array {
  try {
    return encodeValue(args)
  } catch (error) {
    const message = `the arguments of ${name} cannot be copied: ${String(error)}`
    throw new CallError('ARIES_E_BAD_REQUEST', worker, message, { cause: error })
  }
}

async function fetchFrom(
  { id, options, makeCall }: Callee,
  input: Request | URL | string,
  init: RequestInit = {},
): Promise<Response> {
  const isPath = typeof input === 'string' && input.startsWith('/')
  const request = new Request(isPath ? `http://${id.class}${input}` : input, init)
  const { host, pathname, search } = new URL(request.url)
  const headers: [string, string][] = [['host', host]]
  for (const [name, value] of request.headers) {
    if (!isOfTheCall(name)) headers.push([name, value])
  }
  const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined
  const { timeoutMs } = options
  const key = options.key ?? request.headers.get('idempotency-key') ?? undefined
  const signal = options.signal ? AbortSignal.any([options.signal, request.signal]) : request.signal
  const { method } = request
  const answer = await makeCall(
    { id, method, url: pathname + search, headers, body, calls: undefined, key, timeoutMs },
    signal,
  )
  const { status, headers: fields } = answer
  const whole = NO_BODY.has(status) ? undefined : (answer.body as Uint8Array<ArrayBuffer>)
  return new Response(whole, {
    status,
    headers: fields
      .filter(([name]) => !isInnerHeader(name))
      .map(([n, v]): [string, string] => [n, v]),
  })
}

/** Fields that the call sets itself. */
function isOfTheCall(name: string): boolean {
  return (
    isInnerHeader(name) ||
    name === 'host' ||
    name === 'content-length' ||
    name === 'idempotency-key' ||
    name === 'expect'
  )
}
