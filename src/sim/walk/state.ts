/**
 * The small case of the exhaustive walk, as plain data: two nodes with a host each, one front with
 * two requests, one move. The cores are kept as the events that they have handled; a core is made of
 * them again when it is needed, so that a state can be copied and compared.
 */
import type { ToSource, ToTarget } from '../../move/messages.ts'
import { Source, type SourceEffect, type SourceEvent } from '../../move/source.ts'
import { Target, type TargetEffect, type TargetEvent } from '../../move/target.ts'

export type Name = 's' | 't'
export type Request = 'r1' | 'r2'

/** An open worker: `log` are the requests that it has applied, in order. */
export interface WalkWorker {
  epoch: number
  log: Request[]
  /** So many of `log` are with the store, and known to be there. */
  sent: number
  committed: number
  paused: boolean
  queue: Request[]
  /** Answers that wait for a commit. */
  held: { request: Request; value: number; after: number }[]
}

export interface WalkHost {
  up: boolean
  /** Of its node; 0: none. */
  incarnation: number
  worker: WalkWorker | undefined
}

/** A call to the store on its way: done or not, answered or not. */
export interface Call {
  readonly by: Name
  readonly incarnation: number
  readonly what: 'commit' | 'takeover' | 'source' | 'target'
  readonly epoch: number
  /** Of a commit. */
  readonly seq: number
  readonly request: Request | undefined
  result: 'none' | 'ok' | 'fenced' | 'conflict'
  /** What the store had when it refused, or gave. */
  seen: { node: Name; epoch: number; seq: number }
}

export interface WalkState {
  store: {
    node: Name
    incarnation: number
    epoch: number
    log: { request: Request; by: Name }[]
    /** The active incarnation of each node; 0: none. */
    active: Record<Name, number>
    lastIncarnation: Record<Name, number>
  }
  hosts: Record<Name, WalkHost>
  source: { epoch: number; events: SourceEvent[]; timers: string[]; over: boolean } | undefined
  target: { events: TargetEvent[]; timer: boolean; over: boolean } | undefined
  toTarget: ToTarget[]
  toSource: ToSource[]
  /** Which ends of the connection are open. */
  linked: Record<Name, boolean>
  calls: Call[]
  requests: Record<Request, 'waiting' | 'sent' | 'answered'>
  begun: boolean
  /** No request was sent yet. */
  unsent: boolean
  crashes: number
  duplicates: number
}

export function firstState(): WalkState {
  return {
    store: {
      node: 's',
      incarnation: 1,
      epoch: 1,
      log: [],
      active: { s: 1, t: 1 },
      lastIncarnation: { s: 1, t: 1 },
    },
    hosts: {
      s: { up: true, incarnation: 1, worker: opened(1, []) },
      t: { up: true, incarnation: 1, worker: undefined },
    },
    source: undefined,
    target: undefined,
    toTarget: [],
    toSource: [],
    linked: { s: false, t: false },
    calls: [],
    requests: { r1: 'waiting', r2: 'waiting' },
    begun: false,
    unsent: true,
    crashes: 1,
    duplicates: 1,
  }
}

export function opened(epoch: number, log: Request[]): WalkWorker {
  const { length } = log
  return { epoch, log, sent: length, committed: length, paused: false, queue: [], held: [] }
}

/** Names and short values stand for themselves. */
function hash(name: string, value: Uint8Array): number {
  let sum = 7
  for (const byte of Buffer.from(name)) sum = sum * 31 + byte
  return sum * 31 + (value[0] ?? 0)
}

/** Hands `event` to the source of a move that began under `epoch` and has handled `events`. */
export function stepSource(
  source: { readonly epoch: number; readonly events: readonly SourceEvent[] },
  event: SourceEvent,
  small: boolean,
): SourceEffect[] {
  const core = new Source(
    {
      worker: 'ledger/k',
      node: 's',
      host: 1,
      target: 't',
      epoch: source.epoch,
      stateBytes: small ? 1 : 1_000_000,
      version: 0,
      prepareTimeoutMs: 1,
      copyTimeoutMs: 1,
      turnBudgetMs: 1,
      fenceTimeoutMs: 1,
    },
    hash,
  )
  for (const earlier of source.events) core.handle(earlier, 0)
  return core.handle(event, 0)
}

/** Hands `event` to the target that has handled `before`; `phase`: where it stands then. */
export function stepTarget(
  before: TargetEvent[],
  event: TargetEvent | undefined,
): { effects: TargetEffect[]; phase: Target['phase'] } {
  const core = new Target({ node: 't', host: 1, limitMs: 1 }, hash)
  for (const earlier of before) core.handle(earlier, 0)
  const effects = event ? core.handle(event, 0) : []
  return { effects, phase: core.phase }
}
