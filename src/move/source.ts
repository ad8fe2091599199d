/**
 * The source of a move, as a pure state machine: `(state, event) → effects`.
 *
 *   prepare → copy → fence → commit → over
 *                              └→ reclaim → over
 *
 * Until the fence is sent nothing has changed: the source serves under its epoch and an abort costs
 * nothing. From then on the target may claim the worker at any moment, so the old epoch is gone for
 * good: the source hears that the target committed, or it claims the worker itself. The store lets
 * exactly one of the two claims win.
 */

import type { Section } from '../store/store.ts'
import type { Changes } from '../worker/state.ts'
import { Digest, type SectionHash } from './digest.ts'
import type { ClaimOutcome, Failure, Sessions, ToSource, ToTarget } from './messages.ts'

/** A smaller state goes whole with the fence, which is cheaper than to copy it first. */
export const SMALL_STATE_BYTES = 64 * 1024
/** The target keeps up when it has applied everything this soon. */
const LAG_MS_MAX = 5
/** So many times the lag is measured; then the fence comes all the same. */
const PROBES_MAX = 8
const RECLAIM_RETRY_MS = 100

export interface SourceInit {
  readonly worker: string
  readonly node: string
  /** Of this host process; the target may be another one of the same node. */
  readonly host: number
  readonly target: string
  readonly epoch: number
  readonly stateBytes: number
  /** Of the class that wrote the state so far. */
  readonly version: number
  readonly prepareTimeoutMs: number
  readonly copyTimeoutMs: number
  readonly turnBudgetMs: number
  readonly fenceTimeoutMs: number
}

export type SourcePhase = 'prepare' | 'copy' | 'fence' | 'commit' | 'reclaim' | 'over'

export type SourceEvent =
  | { readonly type: 'begin' }
  | { readonly type: 'message'; readonly message: ToSource }
  /** Sections read for the copy, as of turn `seq`. */
  | { readonly type: 'sections'; readonly seq: number; readonly set: readonly Section[] }
  /** Every section was read. */
  | { readonly type: 'copied' }
  | { readonly type: 'turn'; readonly seq: number; readonly changes: Changes }
  /** Answer to `pause`: no turn runs, everything is committed. */
  | {
      readonly type: 'quiet'
      readonly seq: number
      readonly version: number
      readonly count: number
      readonly whole: readonly Section[] | undefined
      readonly sessions: Sessions
    }
  | { readonly type: 'timer'; readonly name: SourceTimer }
  | { readonly type: 'link-lost' }
  /** The worker was dropped by its host: fenced, or a commit failed. */
  | { readonly type: 'worker-lost'; readonly why: string }
  | { readonly type: 'claimed'; readonly outcome: ClaimOutcome }

export type SourceTimer = 'phase' | 'reclaim'

export type SourceResult =
  | { readonly kind: 'moved'; readonly epoch: number; readonly commitMs: number }
  /** The target did not want it, before anything happened. */
  | ({ readonly kind: 'refused' } & Failure)
  | ({ readonly kind: 'aborted' } & Failure)
  /** The worker is not here any more, though the move did not succeed. */
  | { readonly kind: 'lost'; readonly why: string }

export type SourceEffect =
  | { readonly do: 'send'; readonly message: ToTarget }
  /** Read all sections, piece by piece, while the worker serves. */
  | { readonly do: 'copy' }
  /** Close the mailbox; `whole`: the state goes with the fence. */
  | { readonly do: 'pause'; readonly whole: boolean }
  /** Open the mailbox again, under `epoch`. */
  | { readonly do: 'resume'; readonly epoch: number }
  /** Claim the worker from `fromEpoch`. */
  | { readonly do: 'claim'; readonly fromEpoch: number }
  /** The target owns it: forward what waits and what still comes. */
  | { readonly do: 'hand-over'; readonly epoch: number }
  /** Nobody knows who owns it, it is not this host: turn away what waits. */
  | { readonly do: 'drop' }
  /** Replaces the timer of that name; `delayMs` undefined: only cancels it. */
  | { readonly do: 'timer'; readonly name: SourceTimer; readonly delayMs: number | undefined }
  /** The move is over; the link can be closed. */
  | { readonly do: 'end'; readonly result: SourceResult }

export class Source {
  readonly init: SourceInit
  readonly #sent: Digest
  readonly #small: boolean
  #phase: SourcePhase = 'prepare'
  /** When each phase began. */
  readonly beganMs: Partial<Record<SourcePhase, number>> = {}
  #probes = 0
  #probedMs = 0
  #failure: Failure = { why: '' }

  constructor(init: SourceInit, hash: SectionHash) {
    this.init = init
    this.#sent = new Digest(hash)
    this.#small = init.stateBytes <= SMALL_STATE_BYTES
  }

  get phase(): SourcePhase {
    return this.#phase
  }

  /** Whether the target has got the section: it need not be copied. */
  hasSent(name: string): boolean {
    return this.#sent.has(name)
  }

  handle(event: SourceEvent, nowMs: number): SourceEffect[] {
    if (this.#phase === 'over') return []
    switch (event.type) {
      case 'begin':
        return this.#begin(nowMs)
      case 'message':
        return this.#heard(event.message, nowMs)
      case 'sections':
        return this.#phase === 'copy' ? this.#sections(event.seq, event.set) : []
      case 'copied':
        return this.#phase === 'copy' ? this.#probe(nowMs) : []
      case 'turn':
        return this.#turn(event.seq, event.changes)
      case 'quiet':
        return this.#phase === 'fence' ? this.#fence(event, nowMs) : []
      case 'timer':
        return this.#timer(event.name, nowMs)
      case 'link-lost':
        return this.#broken({ why: 'the connection to the target was lost' }, nowMs)
      case 'worker-lost':
        return this.#lost(event.why, nowMs)
      case 'claimed':
        return this.#phase === 'reclaim' ? this.#claimed(event.outcome, nowMs) : []
    }
  }

  #enter(phase: SourcePhase, nowMs: number, limitMs: number | undefined): SourceEffect {
    this.#phase = phase
    this.beganMs[phase] = nowMs
    return { do: 'timer', name: 'phase', delayMs: limitMs }
  }

  #begin(nowMs: number): SourceEffect[] {
    const { worker, node, epoch, stateBytes, version, prepareTimeoutMs } = this.init
    return [
      this.#enter('prepare', nowMs, prepareTimeoutMs),
      send({ type: 'prepare', worker, from: node, epoch, stateBytes, version }),
    ]
  }

  #heard(message: ToSource, nowMs: number): SourceEffect[] {
    switch (message.type) {
      case 'prepared':
        return this.#phase === 'prepare' ? this.#prepared(nowMs) : []
      case 'refused':
        if (this.#phase !== 'prepare') return []
        return this.#end({ kind: 'refused', ...failureOf(message) }, nowMs)
      case 'applied':
        return this.#phase === 'copy' && message.n === this.#probes ? this.#applied(nowMs) : []
      case 'committed':
        if (this.#phase !== 'commit') return []
        return this.#handOver(message.epoch, message.commitMs, nowMs)
      case 'failed':
        return this.#broken(failureOf(message), nowMs)
    }
  }

  #prepared(nowMs: number): SourceEffect[] {
    if (this.#small) return this.#pause(nowMs)
    return [this.#enter('copy', nowMs, this.init.copyTimeoutMs), { do: 'copy' }]
  }

  #sections(seq: number, set: readonly Section[]): SourceEffect[] {
    for (const { name, value } of set) this.#sent.set(name, value)
    return [send({ type: 'sections', seq, set })]
  }

  #turn(seq: number, { set, remove }: Changes): SourceEffect[] {
    if (this.#small || (this.#phase !== 'copy' && this.#phase !== 'fence')) return []
    for (const { name, value } of set) this.#sent.set(name, value)
    for (const name of remove) this.#sent.remove(name)
    return [send({ type: 'changes', seq, set, remove })]
  }

  #probe(nowMs: number): SourceEffect[] {
    this.#probes++
    this.#probedMs = nowMs
    return [send({ type: 'probe', n: this.#probes })]
  }

  #applied(nowMs: number): SourceEffect[] {
    const keepsUp = nowMs - this.#probedMs <= LAG_MS_MAX
    return keepsUp || this.#probes >= PROBES_MAX ? this.#pause(nowMs) : this.#probe(nowMs)
  }

  #pause(nowMs: number): SourceEffect[] {
    return [
      this.#enter('fence', nowMs, this.init.turnBudgetMs),
      { do: 'pause', whole: this.#small },
    ]
  }

  #fence(quiet: Extract<SourceEvent, { type: 'quiet' }>, nowMs: number): SourceEffect[] {
    const { seq, version, whole, count, sessions } = quiet
    for (const { name, value } of whole ?? []) this.#sent.set(name, value)
    const digest = this.#sent.value
    return [
      this.#enter('commit', nowMs, this.init.fenceTimeoutMs),
      send({ type: 'fence', seq, version, whole, count, digest, sessions }),
    ]
  }

  #timer(name: SourceTimer, nowMs: number): SourceEffect[] {
    if (name === 'reclaim') return this.#phase === 'reclaim' ? [this.#claim()] : []
    switch (this.#phase) {
      case 'prepare':
        return this.#broken({ why: 'the target did not answer' }, nowMs)
      case 'copy':
        return this.#broken({ why: `the copy took over ${this.init.copyTimeoutMs} ms` }, nowMs)
      case 'fence':
        return this.#broken({ why: `a turn ran on for over ${this.init.turnBudgetMs} ms` }, nowMs)
      case 'commit':
        return this.#broken({ why: 'the target did not say that it committed' }, nowMs)
      default:
        return []
    }
  }

  /** The move cannot go on. What that means depends on whether the fence was sent. */
  #broken(failure: Failure, nowMs: number): SourceEffect[] {
    const { why } = failure
    switch (this.#phase) {
      case 'prepare':
      case 'copy':
        return [send({ type: 'abort', why }), ...this.#end({ kind: 'aborted', ...failure }, nowMs)]
      case 'fence':
        return [
          send({ type: 'abort', why }),
          { do: 'resume', epoch: this.init.epoch },
          ...this.#end({ kind: 'aborted', ...failure }, nowMs),
        ]
      case 'commit':
        this.#failure = failure
        return [this.#enter('reclaim', nowMs, undefined), this.#claim()]
      default:
        return []
    }
  }

  #claim(): SourceEffect {
    return { do: 'claim', fromEpoch: this.init.epoch }
  }

  #claimed(outcome: ClaimOutcome, nowMs: number): SourceEffect[] {
    if (outcome.ok) return this.#resume(outcome.epoch, nowMs)
    switch (outcome.why) {
      case 'unknown':
        return [{ do: 'timer', name: 'reclaim', delayMs: RECLAIM_RETRY_MS }]
      case 'fenced':
        return [{ do: 'drop' }, ...this.#end({ kind: 'lost', why: this.#failure.why }, nowMs)]
      case 'conflict': {
        // An earlier claim of ours may have been applied though its answer was lost.
        const isOurs = outcome.node === this.init.node && outcome.host === this.init.host
        if (isOurs && outcome.epoch === this.init.epoch + 1) {
          return this.#resume(outcome.epoch, nowMs)
        }
        if (outcome.node === this.init.target) return this.#handOver(outcome.epoch, 0, nowMs)
        return [{ do: 'drop' }, ...this.#end({ kind: 'lost', why: this.#failure.why }, nowMs)]
      }
    }
  }

  #resume(epoch: number, nowMs: number): SourceEffect[] {
    return [
      { do: 'resume', epoch },
      send({ type: 'abort', why: this.#failure.why }),
      ...this.#end({ kind: 'aborted', ...this.#failure }, nowMs),
    ]
  }

  #handOver(epoch: number, commitMs: number, nowMs: number): SourceEffect[] {
    return [{ do: 'hand-over', epoch }, ...this.#end({ kind: 'moved', epoch, commitMs }, nowMs)]
  }

  #lost(why: string, nowMs: number): SourceEffect[] {
    return [send({ type: 'abort', why }), ...this.#end({ kind: 'lost', why }, nowMs)]
  }

  #end(result: SourceResult, nowMs: number): SourceEffect[] {
    return [
      this.#enter('over', nowMs, undefined),
      { do: 'timer', name: 'reclaim', delayMs: undefined },
      { do: 'end', result },
    ]
  }
}

function failureOf({ why, code }: Failure): Failure {
  return code === undefined ? { why } : { why, code }
}

function send(message: ToTarget): SourceEffect {
  return { do: 'send', message }
}
