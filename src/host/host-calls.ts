/** Calls that the workers of this host make. */
import type { Outcome } from '../calls/attempt.ts'
import { Caller, type CallerInit, type LocalAttempt } from '../calls/caller.ts'
import type { ResolvedMessage, ResolveMessage } from '../calls/resolves.ts'
import { AriesError, toAriesError } from '../errors.ts'
import { formatWorkerId } from '../identity.ts'
import { CallError, toCallError } from '../worker/call-error.ts'
import type { CallAnswer, OutgoingCall } from '../worker/workers.ts'
import type { Clock } from '../world.ts'
import { KeyedInvocation, PlainInvocation } from './invocation.ts'
import { LocalCall } from './local-call.ts'
import type { OpenWorker } from './open-worker.ts'
import { currentTurn } from './turn.ts'
import type { WorkerTable } from './worker-table.ts'

export interface HostCallsComponents {
  readonly clock: Clock
  readonly send: (message: ResolveMessage) => void
  readonly table: Pick<WorkerTable, 'has' | 'rouse' | 'get'>
}

export class HostCalls {
  readonly #c: HostCallsComponents
  readonly #init: CallerInit
  readonly #caller: Caller
  /** Worker → its calls that are under way. */
  readonly #underWay = new Map<string, number>()

  constructor(components: HostCallsComponents, init: CallerInit) {
    this.#c = components
    this.#init = init
    this.#caller = new Caller({ ...components, local: this.#local.bind(this) }, init)
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

  /** A call that `from` makes, in its turn or outside of any. */
  async call(
    from: OpenWorker,
    call: OutgoingCall,
    signal: AbortSignal | undefined,
  ): Promise<CallAnswer> {
    const turn = currentTurn.getStore()
    this.#admit(from, call, turn?.givenUp ?? false)
    const chain = turn && !turn.over ? [...(turn.mail.chain ?? []), turn.worker] : []
    this.#count(from.name, 1)
    try {
      // What it says may rest on turns that are not committed yet: nobody may hear of those.
      const after = from.durable()
      let node = this.#init.node
      const reached = (on: string): void => {
        node = on
      }
      const answer = await this.#caller.call(call, { chain, signal, after, reached })
      const bytes = (call.body?.length ?? 0) + (answer.body?.length ?? 0)
      from.meter.exchanged({ with: formatWorkerId(call.id), node }, bytes)
      return answer
    } catch (thrown) {
      throw toCallError(thrown, formatWorkerId(call.id))
    } finally {
      this.#count(from.name, -1)
    }
  }

  #admit(from: OpenWorker, call: OutgoingCall, givenUp: boolean): void {
    const callee = formatWorkerId(call.id)
    if (from.dropped || givenUp) {
      const message = `${from.name} is not here any more, or its turn was given up: it calls nobody`
      throw new CallError('ARIES_E_NOT_OWNER', callee, message)
    }
    const { perWorkerMax } = this.#init.calls
    if ((this.#underWay.get(from.name) ?? 0) < perWorkerMax) return
    throw new CallError(
      'ARIES_E_OVERLOADED',
      callee,
      `${perWorkerMax} calls of ${from.name} are under way already (calls.perWorkerMax)`,
    )
  }

  #count(name: string, more: 1 | -1): void {
    const count = (this.#underWay.get(name) ?? 0) + more
    if (count === 0) this.#underWay.delete(name)
    else this.#underWay.set(name, count)
  }

  #local(
    call: OutgoingCall,
    chain: readonly string[],
    signal: AbortSignal,
  ): LocalAttempt | undefined {
    const name = formatWorkerId(call.id)
    if (!this.#c.table.has(name)) return undefined
    let mail: LocalCall | undefined
    const deliver = async (): Promise<Outcome> => {
      // Not at once: the callee's turn is not a part of the caller's, and workers that call each
      // other must let the event loop have its turn.
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      await this.#c.table.rouse(name)
      const worker = this.#c.table.get(name)
      if (!worker) return { kind: 'not-owner' }
      mail = this.#mail(worker, call, chain, signal)
      const caller = chain.at(-1)
      const peer = { node: this.#init.node, ...(caller !== undefined && { with: caller }) }
      worker.meter.exchanged(peer, call.body?.length ?? 0)
      if (!worker.offer(mail)) mail.fail(overloaded(name))
      return mail.outcome
    }
    const outcome = deliver().catch(
      (thrown): Outcome => ({ kind: 'fault', error: toAriesError(thrown) }),
    )
    return { began: () => mail?.began() ?? false, outcome }
  }

  #mail(
    worker: OpenWorker,
    call: OutgoingCall,
    chain: readonly string[],
    signal: AbortSignal,
  ): LocalCall {
    const { clock } = this.#c
    const { answerBytesMax } = this.#init.calls
    const { method, url, body, calls, key } = call
    const rawHeaders = [...call.headers, ...keyField(key)].flat()
    const asked = { method, url, rawHeaders, body, calls, answerBytesMax }
    const invocation =
      key === undefined
        ? new PlainInvocation(asked)
        : new KeyedInvocation({ worker, wallMs: clock.wallMs }, { asked, key })
    return new LocalCall(
      { invocation, signal },
      { arrivedMs: clock.nowMs(), chain, answerBytesMax },
    )
  }
}

function keyField(key: string | undefined): [string, string][] {
  return key === undefined ? [] : [['idempotency-key', key]]
}

function overloaded(name: string): AriesError {
  return new AriesError('ARIES_E_OVERLOADED', `the queue of ${name} is full`)
}
