/** What a task thread and the pool's main thread say to each other of calls to workers. */
import type { MessagePort } from 'node:worker_threads'
import type { ErrorCode } from '../errors.ts'
import type { CallAnswer, OutgoingCall } from '../worker/workers.ts'

/** Thread → main, once, over the thread's own channel: calls come over this port. */
export interface CallsOpened {
  readonly calls: MessagePort
}

export type FromThread =
  | { readonly type: 'call'; readonly n: number; readonly call: OutgoingCall }
  /** The task has given it up. */
  | { readonly type: 'abort'; readonly n: number }

export interface ToThread {
  readonly n: number
  readonly result:
    | { readonly answer: CallAnswer }
    | {
        readonly error: {
          readonly code: ErrorCode
          readonly worker: string
          readonly message: string
        }
      }
}

/** Bytes of their own: a copy of a part would take the whole buffer along. */
export function exact(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && new Uint8Array(bytes)
}
