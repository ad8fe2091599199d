/** A method of a worker, called from outside. */
import { AriesError } from '../errors.ts'
import { decodeValue, encodeValue } from '../worker/section.ts'
import { Worker } from '../worker/worker.ts'
import { METHOD_NAME } from '../worker/workers.ts'
import { isPromise } from './turn.ts'

/** What the host calls, and what every worker has: not for callers, whatever class overrides it. */
const NOT_FOR_CALLERS: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  ...Object.getOwnPropertyNames(Worker.prototype),
  'fetch',
  'start',
  'stop',
  'alarm',
  'migrate',
  'then',
  'toJSON',
])
/** Handlers of sessions, those of today and those to come. */
const HANDLER = /^(webSocket|tcp)[A-Z]/

type Method = (this: Worker, ...args: unknown[]) => unknown

/**
 * Calls `name` with the encoded arguments; the response holds the encoded result. Throws
 * `ARIES_E_CALL_UNKNOWN`, and `ARIES_E_ANSWER_TOO_LARGE` while the turn can still be undone.
 */
export function callMethod(
  instance: Worker,
  name: string,
  body: Uint8Array | undefined,
  answerBytesMax: number,
): Response | Promise<Response> {
  const method = methodOf(instance, name)
  const result = method.apply(instance, argumentsOf(body))
  if (isPromise(result)) return result.then((value) => answerOf(name, value, answerBytesMax))
  return answerOf(name, result, answerBytesMax)
}

/** Only what stands on the classes between the instance and `Worker`, and never a getter. */
function methodOf(instance: Worker, name: string): Method {
  if (METHOD_NAME.test(name) && !NOT_FOR_CALLERS.has(name) && !HANDLER.test(name)) {
    let prototype: object | null = Object.getPrototypeOf(instance) as object | null
    while (prototype && prototype !== Object.prototype) {
      const property = Object.getOwnPropertyDescriptor(prototype, name)
      if (property) {
        if (typeof property.value === 'function') return property.value as Method
        break
      }
      prototype = Object.getPrototypeOf(prototype) as object | null
    }
  }
  const message = `the class ${instance.className} has no method "${name}" that others may call`
  throw new AriesError('ARIES_E_CALL_UNKNOWN', message)
}

function argumentsOf(body: Uint8Array | undefined): unknown[] {
  try {
    const args: unknown = decodeValue(body ?? new Uint8Array())
    if (Array.isArray(args)) return args
  } catch {
    // Falls through: it was not encoded by `workersBy`.
  }
  throw new AriesError('ARIES_E_BAD_REQUEST', 'a call has an array of arguments')
}

function answerOf(name: string, value: unknown, bytesMax: number): Response {
  let body: Uint8Array
  try {
    body = encodeValue(value)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`the result of ${name} cannot be copied: ${why}`, { cause: error })
  }
  if (body.length > bytesMax) {
    throw new AriesError(
      'ARIES_E_ANSWER_TOO_LARGE',
      `the result of ${name} has ${body.length} bytes; ${bytesMax} are allowed (host.bodyBytesMax)`,
    )
  }
  return new Response(body as Uint8Array<ArrayBuffer>)
}
