/**
 * Takes calls of workers and tasks to their callees: straight to the owner's host, found as a front
 * finds it. A call that was not applied (not the owner, nobody listens) is made again until its time
 * is up. One whose host went away after it was sent is made again, once, when that is safe: a method
 * of HTTP that says so, or an Idempotency-Key. Else nobody knows: `ARIES_E_OUTCOME_UNKNOWN`.
 */
import type { Tokens } from '../auth.ts'
import type { ConfigFile } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { HostPools } from '../host-pools.ts'
import { formatWorkerId } from '../identity.ts'
import { Owners } from '../owners.ts'
import { type OwnerAddress, SAFE_TO_REPEAT } from '../wire.ts'
import { CallError, toCallError } from '../worker/call-error.ts'
import type { CallAnswer, OutgoingCall } from '../worker/workers.ts'
import { type Clock, realWorld } from '../world.ts'
import { attemptOver, type Outcome } from './attempt.ts'
import { checkChain } from './chain.ts'
import { checkKey } from './key.ts'
import { type ResolvedMessage, type ResolveMessage, Resolves } from './resolves.ts'

/** From this attempt on there is a pause before the next, as between attempts of a front. */
const PAUSE_FROM_ATTEMPT = 3
const PAUSE_FIRST_MS = 25
const PAUSE_MAX_MS = 500
/** Attempts whose host went away after they were sent: they may be what ended it. */
const LOST_MAX = 2

/** The limits of calls, as a child of a node gets them. */
export type CallSettings = ConfigFile['calls'] & {
  /** Largest answer: `host.bodyBytesMax`. */
  readonly answerBytesMax: number
}

export interface CallerInit {
  /** Of the callers. */
  readonly node: string
  readonly tokens: Pick<Tokens, 'shown'>
  readonly calls: CallSettings
}

/** A callee in this very process: the attempt, and whether its code was begun. */
export interface LocalAttempt {
  readonly outcome: Promise<Outcome>
  readonly began: () => boolean
}

export interface CallerComponents {
  readonly clock: Clock
  /** To the control loop. */
  readonly send: (message: ResolveMessage) => void
  /** The worker lives in this process: gives the call to it. Undefined: it does not. */
  readonly local?: (
    call: OutgoingCall,
    chain: readonly string[],
    signal: AbortSignal,
  ) => LocalAttempt | undefined
}

export interface OutgoingFrom {
  /** The workers that wait for the call, outermost first. */
  readonly chain: readonly string[]
  readonly signal?: AbortSignal | undefined
  /** The call leaves when this resolves. */
  readonly after?: Promise<void> | undefined
  /** Hears on which node the callee answered. */
  readonly reached?: (node: string) => void
}

/** What attempts need. */
interface Means {
  readonly init: CallerInit
  readonly clock: Clock
  readonly owners: Owners
  readonly pools: HostPools
  readonly local: CallerComponents['local']
}

export class Caller {
  readonly #means: Means
  readonly #resolves: Resolves
  #inFlight = 0

  constructor(components: CallerComponents, init: CallerInit) {
    const { clock, local } = components
    const { inFlightMax: waitingMax, timeoutMs } = init.calls
    const settings = { waitingMax: 'calls.inFlightMax', timeoutMs: 'calls.timeoutMs' }
    const resolves = new Resolves(components)
    const owners = new Owners(
      {
        world: { clock, random: realWorld.random },
        resolve: (id, suspect) => resolves.resolve(id, suspect),
      },
      { waitingMax, timeoutMs, settings },
    )
    this.#resolves = resolves
    this.#means = { init, clock, owners, local, pools: new HostPools() }
  }

  /** The control loop has answered. */
  resolved(message: ResolvedMessage): void {
    this.#resolves.heard(message)
  }

  /** Gossip found the node dead, or back again. */
  setDead(node: string, dead: boolean): void {
    this.#means.pools.setDead(node, dead)
  }

  close(): Promise<void> {
    this.#means.owners.close()
    return this.#means.pools.close()
  }

  /** Rejects with a `CallError`, or with the reason of `signal`. */
  async call(call: OutgoingCall, from: OutgoingFrom): Promise<CallAnswer> {
    const worker = formatWorkerId(call.id)
    checkChain(from.chain, worker)
    from.signal?.throwIfAborted()
    if (this.#inFlight >= this.#means.init.calls.inFlightMax) {
      throw new CallError(
        'ARIES_E_OVERLOADED',
        worker,
        `${this.#inFlight} calls are under way already (calls.inFlightMax)`,
      )
    }
    this.#inFlight++
    try {
      if (call.key !== undefined) checkKey(call.key)
      return await new Journey(this.#means, call, from).run()
    } catch (thrown) {
      throw toCallError(thrown, worker)
    } finally {
      this.#inFlight--
    }
  }
}

/** One call, from its first attempt to its answer. */
class Journey {
  readonly #c: Means
  readonly #call: OutgoingCall
  readonly #from: OutgoingFrom
  readonly #worker: string
  readonly #isRepeatable: boolean
  readonly #timeoutMs: number
  readonly #end = new AbortController()
  /** Rejects when the time is up or the caller gives up. */
  readonly #ended: Promise<never>
  /** Whether the worker may have begun it by now. */
  #mayHaveBegun: () => boolean = () => false
  #owner: OwnerAddress | undefined
  #lost = 0

  constructor(means: Means, call: OutgoingCall, from: OutgoingFrom) {
    this.#c = means
    this.#call = call
    this.#from = from
    this.#worker = formatWorkerId(call.id)
    this.#timeoutMs = Math.min(call.timeoutMs ?? means.init.calls.timeoutMs, 2 ** 31 - 1)
    this.#isRepeatable =
      call.key !== undefined || (call.calls === undefined && SAFE_TO_REPEAT.has(call.method))
    this.#ended = new Promise((_, reject) => {
      this.#end.signal.addEventListener('abort', () => reject(this.#end.signal.reason))
    })
    this.#ended.catch(() => undefined)
  }

  async run(): Promise<CallAnswer> {
    const { signal } = this.#from
    const timer = this.#c.clock.after(this.#timeoutMs, () => this.#end.abort(this.#timeUp()))
    const giveUp = (): void => this.#end.abort(signal!.reason)
    signal?.addEventListener('abort', giveUp)
    try {
      if (this.#from.after) await Promise.race([this.#from.after, this.#ended])
      return await this.#attempts()
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', giveUp)
    }
  }

  async #attempts(): Promise<CallAnswer> {
    for (let attempt = 1; ; attempt++) {
      if (attempt >= PAUSE_FROM_ATTEMPT) await this.#pause(attempt - PAUSE_FROM_ATTEMPT)
      const outcome = await this.#attempt()
      if (outcome.kind === 'answered' || outcome.kind === 'fault') {
        if (outcome.owner) this.#c.owners.learn(this.#worker, outcome.owner)
      }
      if (outcome.kind === 'answered') {
        this.#from.reached?.(this.#owner?.node ?? this.#c.init.node)
        return outcome.answer
      }
      if (outcome.kind === 'not-owner') this.#sentOn(outcome.owner)
      else if (outcome.kind === 'lost') await this.#retryLost(outcome)
      else if (outcome.error.code === 'ARIES_E_FENCED') this.#sentOn(undefined)
      else if (!this.#mayRepeat(outcome.error)) throw outcome.error
      this.#mayHaveBegun = () => false
    }
  }

  async #attempt(): Promise<Outcome> {
    const { signal } = this.#end
    const local = this.#c.local?.(this.#call, this.#from.chain, signal)
    if (local) {
      this.#owner = undefined
      this.#mayHaveBegun = local.began
      return await Promise.race([local.outcome, this.#ended])
    }
    const owner = this.#c.owners.get(this.#worker) ?? (await this.#resolve(undefined))
    this.#owner = owner
    this.#mayHaveBegun = () => true
    const init = {
      node: this.#c.init.node,
      call: this.#call,
      chain: this.#from.chain,
      token: this.#c.init.tokens.shown,
      answerBytesMax: this.#c.init.calls.answerBytesMax,
      signal,
    }
    return await Promise.race([attemptOver(this.#c.pools, owner, init), this.#ended])
  }

  #sentOn(told: OwnerAddress | undefined): void {
    const { owners } = this.#c
    if (told && told.epoch >= (this.#owner?.epoch ?? 0)) owners.learn(this.#worker, told)
    else if (this.#owner) owners.forget(this.#worker, this.#owner)
  }

  async #retryLost({ unsent, error }: Extract<Outcome, { kind: 'lost' }>): Promise<void> {
    if (!unsent) {
      this.#lost++
      if (!this.#isRepeatable || this.#lost >= LOST_MAX) {
        if (this.#owner) this.#c.owners.forget(this.#worker, this.#owner)
        throw this.#unknown(`${this.#owner?.node} failed after it was sent there`, error)
      }
    }
    this.#mayHaveBegun = () => false
    await this.#resolve(this.#owner)
  }

  /** A commit whose outcome nobody knows: under a key the next attempt finds out. */
  #mayRepeat(error: AriesError): boolean {
    if (error.code !== 'ARIES_E_OUTCOME_UNKNOWN' || this.#call.key === undefined) return false
    return ++this.#lost < LOST_MAX
  }

  #resolve(suspect: OwnerAddress | undefined): Promise<OwnerAddress> {
    return Promise.race([this.#c.owners.resolve(this.#call.id, suspect), this.#ended])
  }

  async #pause(pauses: number): Promise<void> {
    const ms = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** pauses)
    const paused = new Promise<void>((resolve) => {
      this.#c.clock.after(ms, resolve)
    })
    await Promise.race([paused, this.#ended])
  }

  #timeUp(): AriesError {
    const words = `${this.#worker} did not answer within ${this.#timeoutMs} ms`
    if (this.#mayHaveBegun() && !this.#isRepeatable) return this.#unknown(words, undefined)
    return new AriesError('ARIES_E_TIMEOUT', words)
  }

  #unknown(words: string, cause: unknown): AriesError {
    const message = `${words}: nobody knows whether the call was applied`
    return new AriesError('ARIES_E_OUTCOME_UNKNOWN', message, { cause })
  }
}
