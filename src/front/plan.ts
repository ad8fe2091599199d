/**
 * The seam between the engine, which knows bytes, and the routes, which know targets.
 *
 * The engine parses a head and asks a `Planner`; the `Plan` says what to do with it. A plan to
 * forward carries a `Picker`, which names a target for each attempt and hears how it went: all
 * balancing, owner lookup and waiting lies behind it, none in the engine.
 */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { AriesError } from '../errors.ts'
import type { RouteMeter, TargetMeter } from './meters.ts'
import type { Recording } from './recording.ts'
import type { ForwardTerms } from './route-terms.ts'

/** A parsed and validated request head. Header names are as sent; look-ups ignore case. */
export interface RequestHead {
  readonly method: string
  /** Origin-form: path and query as sent (absolute-form is already reduced). */
  readonly target: string
  /** `target` up to the first `?`. */
  readonly path: string
  readonly minorVersion: 0 | 1
  /** First value of a header, undefined when absent. `name` in small letters. */
  header(name: string): string | undefined
  /** Name and value pairs in order, as sent. */
  readonly headers: readonly (readonly [string, string])[]
  /** Value of `Upgrade` when the client asks for one (and `Connection` names it). */
  readonly upgrade: string | undefined
  readonly remoteAddress: string
  /** Of the whole head. */
  readonly bytes: number
  /** How the client came: of the connection, or as a trusted proxy tells it. */
  readonly scheme: 'http' | 'https'
  /** What becomes of it is written down there; undefined for nearly all. */
  readonly recording?: Recording | undefined
}

/** Where an attempt goes. Targets of one `poolKey` share keep-alive connections. */
export interface Target {
  /** For logs, metrics and explanations: `n1`, `http://127.0.0.1:9001`. */
  readonly id: string
  /** Key of the connection pool, e.g. `127.0.0.1:9001`. */
  readonly poolKey: string
  readonly host: string
  readonly port: number
  /** Header lines to add to the request for this target, e.g. `aries-worker`. */
  readonly headers?: readonly (readonly [string, string])[]
  /** Path of a Unix socket: instead of TCP to host and port. */
  readonly socketPath?: string
  /** Another way to connect than by TCP: TLS, the `http-proxy` forwarder. */
  readonly connect?: () => Duplex
  /** It speaks HTTP/2: the way to connect for that. */
  readonly http2?: () => Duplex
  /** Connections are TLS. */
  readonly secure?: boolean
  /** Connections to it at a time, tunnels not counted; undefined: as many as to any. */
  readonly connectionsMax?: number | undefined
  /** Where what happens there is counted. */
  readonly meter?: TargetMeter | undefined
}

/** How an attempt failed. Not applied: nothing was sent, or the target said so (421, a refusal). */
export interface AttemptFailure {
  readonly target: Target
  readonly phase: 'connect' | 'sending' | 'waiting' | 'not-owner' | 'refused'
  readonly error: AriesError
  /** Value of the `aries-owner` header of a 421. */
  readonly owner?: string
}

export interface AttemptOutcome {
  readonly target: Target
  readonly status: number
  /** From the request sent to the response head. */
  readonly waitedMs: number
  /** Values of the headers `aries-owner`, `aries-fault` and `aries-load`, which the engine removes. */
  readonly owner?: string
  readonly fault?: string
  readonly load?: string
}

/** An answer that is to be dropped for one of another target: the request was not begun, or it failed. */
export type Refusal = 'not-begun' | 'failed'

export interface Picker {
  /** The request is recorded: so are the choices. Called before `pick`. */
  record?(recording: Recording): void
  /**
   * True when the target applies the request once however often it is sent (a worker, and the
   * request has an `Idempotency-Key`): then any method is safe to repeat.
   */
  readonly repeatable?: boolean
  /**
   * The target of the next attempt; `failure` tells why the last one did not do. May wait (for a
   * failover). Throws the `AriesError` to answer the client with when there is none.
   */
  pick(failure?: AttemptFailure): Target | Promise<Target>
  /**
   * Whether the answer with that head (502 to 504) is to be dropped and the request sent elsewhere;
   * then `pick` is called next. Not called when the body is no longer at hand. `mayRepeat`: it is
   * safe to send it again even if it was applied.
   */
  refused?(answer: AttemptOutcome, mayRepeat: boolean): Refusal | undefined
  /** A response head came. Called once per answered request, before its body is sent on. */
  answered(outcome: AttemptOutcome): void
  /** Value of a `Set-Cookie` to add to the response that was `answered`. */
  setCookie?(): string | undefined
  /**
   * A picker for a second attempt beside the one that it was asked for last, whose `pick` names
   * another target at once; undefined: there is none, or no budget for it.
   */
  second?(): Picker | undefined
  /** The exchange goes on by the other picker: this one is over, without an answer to count. */
  resign?(failure?: AttemptFailure): void
  /**
   * The exchange is over, for better or worse: nothing is in flight for this request any more.
   * Called exactly once. `ms`: how long it took. `failure`: the last attempt failed and no other was
   * asked for.
   */
  done(failure: AttemptFailure | undefined, ms: number): void
}

/** How large a body may be, and the setting that says so. */
export interface BodyLimit {
  readonly bytesMax: number
  /** `pool.bodyBytesMax`. */
  readonly setting: string
}

/** Where copies of requests go; their answers are dropped. */
export interface Mirror {
  /** Where the next one goes; undefined: nowhere, for too many are under way. */
  begin(): Target | undefined
  /** It could not be made: its body is too large. */
  dropped(): void
  /** Called once for each that was begun. */
  ended(answered: boolean): void
}

/** A request whose answer may come late. */
export interface Late {
  late(): void
}

/** When a second attempt is made beside the first. */
export interface Hedging {
  /** Has `late` called once, when the answer is late and was not cancelled. */
  wait(request: Late): void
  cancel(request: Late): void
  /** A second attempt begins. */
  began(): void
  /** The answer came after so long; `bySecond`: of the second attempt. */
  answered(ms: number, bySecond: boolean): void
}

/** `meter`: of the route, where there is one; the engine counts there. */
export type Plan = { readonly meter?: RouteMeter | undefined } & PlanKinds

type PlanKinds =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly headers: readonly (readonly [string, string])[]
      readonly body: string | Uint8Array
      /** What it tells, when it is one. */
      readonly error?: AriesError
    }
  /** Also for an upgrade to an upstream: a 101 turns the exchange into a tunnel. */
  | {
      readonly kind: 'forward'
      readonly picker: Picker
      /** What the targets take, where it is known: larger bodies are not sent to them. */
      readonly bodyLimit?: BodyLimit | undefined
      /** What the route has of its own; `bodyLimit` is in it. */
      readonly terms?: ForwardTerms | undefined
      /** Path and query for the target; undefined: as they came. */
      readonly rewritten?: string | undefined
      /** `Host` for the target, empty for its own address; undefined: as it came. */
      readonly host?: string | undefined
      /** Added to the answer of the target. */
      readonly answerHeaders?: readonly (readonly [string, string])[] | undefined
      /** A copy of the request goes there. */
      readonly mirror?: Mirror | undefined
      /** For requests without a body. */
      readonly hedging?: Hedging | undefined
    }
  /**
   * The front ends the upgrade itself: the engine hands over the socket, paused and without
   * listeners, and what it read past the head. Call `resume()` when the listeners are on.
   */
  | { readonly kind: 'take'; readonly take: (socket: UpgradedSocket, head: Buffer) => void }

/** The connection of a client that asked for an upgrade, or its stream of HTTP/2. */
export type UpgradedSocket = Duplex & Pick<Socket, 'bytesRead' | 'bytesWritten' | 'destroySoon'>

export interface Planner {
  plan(head: RequestHead): Plan
}
