/** A task thread's end of its calls to workers: a channel to the main thread, made at the first. */
import { MessageChannel, type MessagePort, parentPort } from 'node:worker_threads'
import { CallError } from '../worker/call-error.ts'
import type { CallAnswer, OutgoingCall } from '../worker/workers.ts'
import { type CallsOpened, exact, type FromThread, type ToThread } from './call-messages.ts'

const waiting = new Map<number, (result: ToThread['result']) => void>()
let port: MessagePort | undefined
let calls = 0

export async function callFromThread(
  call: OutgoingCall,
  signal?: AbortSignal,
): Promise<CallAnswer> {
  signal?.throwIfAborted()
  const n = ++calls
  const { promise, resolve, reject } = Promise.withResolvers<ToThread['result']>()
  waiting.set(n, resolve)
  const giveUp = (): void => {
    say({ type: 'abort', n })
    reject(signal!.reason as Error)
  }
  signal?.addEventListener('abort', giveUp)
  try {
    say({ type: 'call', n, call: { ...call, body: exact(call.body) } })
    const result = await promise
    if ('answer' in result) return result.answer
    const { code, worker, message } = result.error
    throw new CallError(code, worker, message)
  } finally {
    waiting.delete(n)
    signal?.removeEventListener('abort', giveUp)
  }
}

function say(message: FromThread): void {
  port ??= openPort()
  port.postMessage(message)
}

function openPort(): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port1.on('message', ({ n, result }: ToThread) => waiting.get(n)?.(result))
  const opened: CallsOpened = { calls: port2 }
  parentPort!.postMessage(opened, [port2])
  return port1
}
