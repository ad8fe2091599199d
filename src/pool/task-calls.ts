/** Calls that the tasks of this pool make: each thread has a channel to here. */
import type { MessagePort } from 'node:worker_threads'
import { Caller, type CallerComponents, type CallerInit } from '../calls/caller.ts'
import type { ResolvedMessage } from '../calls/resolves.ts'
import { toAriesError } from '../errors.ts'
import { formatWorkerId } from '../identity.ts'
import { CallError } from '../worker/call-error.ts'
import type { OutgoingCall } from '../worker/workers.ts'
import { exact, type FromThread, type ToThread } from './call-messages.ts'

export class TaskCalls {
  readonly #caller: Caller
  readonly #perThreadMax: number

  constructor(components: CallerComponents, init: CallerInit) {
    this.#caller = new Caller(components, init)
    this.#perThreadMax = init.calls.perWorkerMax
  }

  /** A thread makes its first call. What it has under way ends with it. */
  connect(port: MessagePort): void {
    const underWay = new Map<number, AbortController>()
    port.on('message', (message: FromThread) => {
      if (message.type === 'abort') underWay.get(message.n)?.abort()
      else void this.#serve(port, underWay, message)
    })
    port.on('close', () => {
      for (const abort of underWay.values()) abort.abort()
    })
  }

  resolved(message: ResolvedMessage): void {
    this.#caller.resolved(message)
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.#caller.setDead(node, dead)
  }

  close(): Promise<void> {
    return this.#caller.close()
  }

  async #serve(
    port: MessagePort,
    underWay: Map<number, AbortController>,
    { n, call }: Extract<FromThread, { type: 'call' }>,
  ): Promise<void> {
    const abort = new AbortController()
    const isFull = underWay.size >= this.#perThreadMax
    underWay.set(n, abort)
    const result = await this.#result(call, abort.signal, isFull)
    underWay.delete(n)
    const reply: ToThread = { n, result }
    port.postMessage(reply)
  }

  async #result(
    call: OutgoingCall,
    signal: AbortSignal,
    isFull: boolean,
  ): Promise<ToThread['result']> {
    const worker = formatWorkerId(call.id)
    try {
      if (isFull) {
        const message = `${this.#perThreadMax} calls of the task are under way already (calls.perWorkerMax)`
        throw new CallError('ARIES_E_OVERLOADED', worker, message)
      }
      const answer = await this.#caller.call(call, { chain: [], signal })
      return { answer: { ...answer, body: exact(answer.body) } }
    } catch (thrown) {
      const { code, message } = toAriesError(thrown)
      return { error: { code, worker, message } }
    }
  }
}
