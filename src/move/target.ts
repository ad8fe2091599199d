/**
 * The target of a move, as a pure state machine: `(state, event) → effects`.
 *
 *   idle → admit → copy → (migrate →) claim → over
 *
 * It only collects until the fence; whatever goes wrong before it claims ends in forgetting. Once it
 * has claimed, it goes on whatever becomes of the source: the claim is the truth. No code of the
 * worker runs before, except `migrate` when the class is newer here: what it throws must leave the
 * worker to the source.
 */
import type { Changes } from '../worker/state.ts'
import type { SectionHash } from './digest.ts'
import type { ClaimOutcome, Failure, Sessions, ToSource, ToTarget } from './messages.ts'
import { Replica } from './replica.ts'

const CLAIM_RETRY_MS = 100

export interface TargetInit {
  readonly node: string
  /** Of this host process; the source may be another one of the same node. */
  readonly host: number
  /** From PREPARE to the fence: as long as the source may take. */
  readonly limitMs: number
}

export type TargetPhase = 'idle' | 'admit' | 'copy' | 'migrate' | 'claim' | 'over'

/** A state that `migrate` has brought to the version of the class here. */
export interface Migrated {
  readonly sections: ReadonlyMap<string, Uint8Array>
  /** What differs from the state that came: the first record of the new owner. */
  readonly changes: Changes
}

export type TargetEvent =
  | { readonly type: 'message'; readonly message: ToTarget }
  /** There is room and the class is loaded, or there is a reason why not. */
  | {
      readonly type: 'admitted'
      readonly refusal: string | undefined
      /** Version of the class here. */
      readonly classVersion: number
    }
  | { readonly type: 'migrated'; readonly migrated: Migrated }
  | { readonly type: 'migrate-failed'; readonly failure: Failure }
  | { readonly type: 'link-lost' }
  | { readonly type: 'timer' }
  | { readonly type: 'claimed'; readonly outcome: ClaimOutcome }

export type TargetEffect =
  | {
      readonly do: 'admit'
      readonly worker: string
      readonly from: string
      readonly stateBytes: number
    }
  | { readonly do: 'send'; readonly message: ToSource }
  /** Run `migrate` on what came: the state is of the older version `from`. */
  | {
      readonly do: 'migrate'
      readonly from: number
      readonly sections: ReadonlyMap<string, Uint8Array>
    }
  | { readonly do: 'claim'; readonly fromEpoch: number }
  /** This node owns the worker: open it. `sections` undefined: what came is not what the store has, load it. */
  | {
      readonly do: 'open'
      readonly epoch: number
      readonly seq: number
      readonly sections: ReadonlyMap<string, Uint8Array> | undefined
      /** Version of the state as the store has it. */
      readonly version: number
      /** Changes of `migrate`, which `sections` have and the store has not. */
      readonly migrated: Changes | undefined
      readonly sessions: Sessions
    }
  /** Replaces the timer; undefined: only cancels it. */
  | { readonly do: 'timer'; readonly delayMs: number | undefined }
  /** `why` undefined: the worker came. */
  | { readonly do: 'end'; readonly why: string | undefined }

type Fence = Extract<ToTarget, { type: 'fence' }>

export class Target {
  readonly #init: TargetInit
  readonly #got: Replica
  #phase: TargetPhase = 'idle'
  #epoch = 0
  /** Of the state, as PREPARE said. */
  #version = 0
  #classVersion = 0
  #fence: Fence | undefined
  #migrated: Migrated | undefined
  #claimBeganMs = 0

  constructor(init: TargetInit, hash: SectionHash) {
    this.#init = init
    this.#got = new Replica(hash)
  }

  get phase(): TargetPhase {
    return this.#phase
  }

  handle(event: TargetEvent, nowMs: number): TargetEffect[] {
    if (this.#phase === 'over') return []
    switch (event.type) {
      case 'message':
        return this.#heard(event.message, nowMs)
      case 'admitted':
        return this.#phase === 'admit' ? this.#admitted(event) : []
      case 'migrated':
        if (this.#phase !== 'migrate') return []
        this.#migrated = event.migrated
        return this.#claim(nowMs)
      case 'migrate-failed':
        return this.#phase === 'migrate' ? this.#fail(event.failure) : []
      case 'link-lost':
        return this.#phase === 'claim' ? [] : this.#end('the connection to the source was lost')
      case 'timer':
        if (this.#phase === 'claim') return [{ do: 'claim', fromEpoch: this.#epoch }]
        return this.#fail({ why: 'the move took too long' })
      case 'claimed':
        return this.#phase === 'claim' ? this.#claimed(event.outcome, nowMs) : []
    }
  }

  #heard(message: ToTarget, nowMs: number): TargetEffect[] {
    if (message.type === 'prepare') return this.#phase === 'idle' ? this.#prepare(message) : []
    if (message.type === 'abort') return this.#phase === 'claim' ? [] : this.#end(message.why)
    if (this.#phase !== 'copy') return []
    switch (message.type) {
      case 'sections':
        this.#got.apply(message.seq, message.set, [])
        return []
      case 'changes':
        this.#got.apply(message.seq, message.set, message.remove)
        return []
      case 'probe':
        return [send({ type: 'applied', n: message.n })]
      case 'fence':
        return this.#fenced(message, nowMs)
    }
  }

  #prepare(prepare: Extract<ToTarget, { type: 'prepare' }>) {
    const { worker, from, epoch, stateBytes, version } = prepare
    this.#phase = 'admit'
    this.#epoch = epoch
    this.#version = version
    return [
      { do: 'timer', delayMs: this.#init.limitMs },
      { do: 'admit', worker, from, stateBytes },
    ] satisfies TargetEffect[]
  }

  #admitted(event: Extract<TargetEvent, { type: 'admitted' }>): TargetEffect[] {
    this.#classVersion = event.classVersion
    const failure =
      event.refusal === undefined ? this.#older(this.#version) : { why: event.refusal }
    if (failure) return [send({ type: 'refused', ...failure }), ...this.#end(failure.why)]
    this.#phase = 'copy'
    return [send({ type: 'prepared' })]
  }

  #fenced(fence: Fence, nowMs: number): TargetEffect[] {
    if (fence.whole) this.#got.apply(fence.seq, fence.whole, [])
    if (!this.#got.equals(fence)) {
      return this.#fail({ why: 'what arrived is not the state of the worker (digest)' })
    }
    const older = this.#older(fence.version)
    if (older) return this.#fail(older)
    this.#fence = fence
    if (fence.version === 0 || fence.version === this.#classVersion) return this.#claim(nowMs)
    this.#phase = 'migrate'
    return [{ do: 'migrate', from: fence.version, sections: this.#got.sections }]
  }

  /** The class here knows nothing of a state that a newer version of it wrote. */
  #older(version: number): Failure | undefined {
    if (version <= this.#classVersion) return undefined
    const why = `the state is of version ${version} of its class; ${this.#init.node} has version ${this.#classVersion}`
    return { why, code: 'ARIES_E_CLASS_OLDER' }
  }

  #claim(nowMs: number): TargetEffect[] {
    this.#phase = 'claim'
    this.#claimBeganMs = nowMs
    return [
      { do: 'timer', delayMs: undefined },
      { do: 'claim', fromEpoch: this.#epoch },
    ]
  }

  #claimed(outcome: ClaimOutcome, nowMs: number): TargetEffect[] {
    const fence = this.#fence!
    if (outcome.ok) return this.#open(outcome.epoch, outcome.seq === fence.seq, nowMs)
    switch (outcome.why) {
      case 'unknown':
        return [{ do: 'timer', delayMs: CLAIM_RETRY_MS }]
      case 'fenced':
        return this.#fail({ why: 'the node of the target is fenced' })
      case 'conflict': {
        // An earlier claim of ours may have been applied though its answer was lost; the node may
        // even have opened the worker since then, and have gone on.
        const isOurs = outcome.node === this.#init.node && outcome.host === this.#init.host
        if (isOurs && outcome.epoch === this.#epoch + 1) {
          return this.#open(outcome.epoch, outcome.seq === fence.seq, nowMs)
        }
        return this.#fail({
          why: `${outcome.node} owns the worker under epoch ${outcome.epoch}`,
        })
      }
    }
  }

  #open(epoch: number, isWhole: boolean, nowMs: number): TargetEffect[] {
    const { seq, version, sessions } = this.#fence!
    const sections = isWhole ? (this.#migrated?.sections ?? this.#got.sections) : undefined
    const migrated = this.#migrated?.changes
    return [
      { do: 'open', epoch, seq, sections, version, migrated, sessions },
      send({ type: 'committed', epoch, commitMs: nowMs - this.#claimBeganMs }),
      ...this.#end(undefined),
    ]
  }

  #fail(failure: Failure): TargetEffect[] {
    return [send({ type: 'failed', ...failure }), ...this.#end(failure.why)]
  }

  #end(why: string | undefined): TargetEffect[] {
    this.#phase = 'over'
    return [
      { do: 'timer', delayMs: undefined },
      { do: 'end', why },
    ]
  }
}

function send(message: ToSource): TargetEffect {
  return { do: 'send', message }
}
