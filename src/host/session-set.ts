import type { SessionId } from '../session-frames.ts'
import type { WorkerSocket } from '../worker/socket.ts'
import type { CarriedSession, Session } from './session.ts'

/** The sessions of one worker. */
export class SessionSet {
  readonly #sessions = new Map<SessionId, Session>()
  /** What the worker sees: those that it can still send to. */
  readonly sockets: Iterable<WorkerSocket> & { readonly size: number } = new OpenSockets(
    this.#sessions,
  )
  /** Tells the host's index of sessions that one is over. */
  onRemoved: ((session: Session) => void) | undefined

  get size(): number {
    return this.#sessions.size
  }

  values(): IterableIterator<Session> {
    return this.#sessions.values()
  }

  /** As a move takes them along; those that wait for their first turn are not here yet. */
  carry(): CarriedSession[] {
    return Array.from(this.#sessions.values(), (session) => session.carry())
  }

  add(session: Session): void {
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

class OpenSockets implements Iterable<WorkerSocket> {
  readonly #sessions: ReadonlyMap<SessionId, Session>

  constructor(sessions: ReadonlyMap<SessionId, Session>) {
    this.#sessions = sessions
  }

  get size(): number {
    let count = 0
    for (const session of this.#sessions.values()) if (!session.closing) count++
    return count
  }

  *[Symbol.iterator](): Iterator<WorkerSocket> {
    for (const session of this.#sessions.values()) if (!session.closing) yield session
  }
}
