import type { SessionId } from '../session-frames.ts'
import type { WorkerSocket } from '../worker/socket.ts'
import type { WorkerTcpSocket } from '../worker/tcp-socket.ts'
import type { Session } from './session.ts'
import { type CarriedTcp, TcpSession } from './tcp-session.ts'
import { type CarriedWebSocket, WebSocketSession } from './websocket-session.ts'

export type AnySession = WebSocketSession | TcpSession
/** A session as a move carries it. */
export type CarriedSession = CarriedWebSocket | CarriedTcp

/** The sessions of one worker. */
export class SessionSet {
  readonly #sessions = new Map<SessionId, AnySession>()
  /** What the worker sees: those that it can still send to. */
  readonly webSockets: Iterable<WorkerSocket> & { readonly size: number } = new OpenSockets(
    this.#sessions,
    (session) => session instanceof WebSocketSession,
  )
  readonly tcpSockets: Iterable<WorkerTcpSocket> & { readonly size: number } = new OpenSockets(
    this.#sessions,
    (session) => session instanceof TcpSession,
  )
  /** Tells the host's index of sessions that one is over. */
  onRemoved: ((session: Session) => void) | undefined

  get size(): number {
    return this.#sessions.size
  }

  values(): IterableIterator<AnySession> {
    return this.#sessions.values()
  }

  /** As a move takes them along; those that wait for their first turn are not here yet. */
  carry(): CarriedSession[] {
    return Array.from(this.#sessions.values(), (session) => session.carry())
  }

  add(session: AnySession): void {
    this.#sessions.set(session.id, session)
  }

  remove(session: Session): void {
    this.#sessions.delete(session.id)
    this.onRemoved?.(session)
  }

  /** The host ends the session: the front closes the client's socket. */
  shut(session: Session, code: number, reason: string): void {
    session.closing = true
    session.link?.send({ type: 'close', sid: session.id, code, reason })
    this.remove(session)
  }

  /** The client has gone; the worker is told in a turn to come. */
  left(session: Session, code: number, reason: string): void {
    session.closing = true
    session.left = [code, reason]
  }
}

class OpenSockets<S extends AnySession> implements Iterable<S> {
  readonly #sessions: ReadonlyMap<SessionId, AnySession>
  readonly #isOne: (session: AnySession) => session is S

  constructor(
    sessions: ReadonlyMap<SessionId, AnySession>,
    isOne: (session: AnySession) => session is S,
  ) {
    this.#sessions = sessions
    this.#isOne = isOne
  }

  get size(): number {
    let count = 0
    for (const _ of this) count++
    return count
  }

  *[Symbol.iterator](): Iterator<S> {
    for (const session of this.#sessions.values()) {
      if (!session.closing && this.#isOne(session)) yield session
    }
  }
}
