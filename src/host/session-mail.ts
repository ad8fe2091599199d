/** What happens to a session, as mail of its worker. */
import type { AriesError } from '../errors.ts'
import type { OwnerAddress } from '../wire.ts'
import type { Worker } from '../worker/worker.ts'
import type { Mail } from './mailbox.ts'
import type { AnySession } from './session-set.ts'
import type { TcpSession } from './tcp-session.ts'
import type { Output } from './turn.ts'

abstract class SessionMail implements Mail {
  readonly arrivedMs: number
  protected readonly session: AnySession

  constructor(session: AnySession, arrivedMs: number) {
    this.session = session
    this.arrivedMs = arrivedMs
  }

  get abandoned(): boolean {
    return this.session.closing
  }

  abstract run(instance: Worker): unknown
  succeed(): void {}
  fail(_error: AriesError): void {}
  /** The front sends again, at the new owner, what was not acknowledged. */
  moved(_owner: OwnerAddress): void {}
}

/** A client asks for a session. */
export class OpenMail extends SessionMail {
  readonly #request: () => Request

  constructor(session: AnySession, arrivedMs: number, request: () => Request) {
    super(session, arrivedMs)
    this.#request = request
  }

  run(instance: Worker): unknown {
    const { session } = this
    // First, so that the front hears of the session before it hears its messages.
    session.worker.output(new AcceptOutput(session))
    session.worker.sessions.add(session)
    return session.tellOpen(instance, this.#request)
  }

  override fail(error: AriesError): void {
    this.#refuse(error.status, error.message)
  }

  override moved(owner: OwnerAddress): void {
    this.#refuse(421, 'the worker has moved', owner)
  }

  #refuse(status: number, reason: string, owner?: OwnerAddress): void {
    const { session } = this
    session.closing = true
    const refusal = { type: 'refuse', sid: session.id, status, reason } as const
    session.link?.send(owner ? { ...refusal, owner } : refusal)
    session.worker.sessions.remove(session)
  }
}

class AcceptOutput implements Output {
  readonly #session: AnySession

  constructor(session: AnySession) {
    this.#session = session
  }

  release(): void {
    this.#session.accepted = true
    this.#session.link?.send({ type: 'accept', sid: this.#session.id, protocol: '' })
  }

  undo(): void {}
}

/** Inbound message `n` of a session. */
export class MessageMail extends SessionMail {
  readonly whenFrozen = 'waits'
  readonly #n: number
  readonly #data: string | Uint8Array

  constructor(session: AnySession, arrivedMs: number, n: number, data: string | Uint8Array) {
    super(session, arrivedMs)
    this.#n = n
    this.#data = data
  }

  run(instance: Worker): unknown {
    return this.session.tellMessage(instance, this.#data)
  }

  override succeed(): void {
    this.session.applied(this.#n)
  }

  override fail(error: AriesError): void {
    // Not run, and not here any more: the front sends it again where the worker is.
    if (error.code === 'ARIES_E_NOT_OWNER') return
    this.session.applied(this.#n)
    this.session.worker.sessions.shut(this.session, 1011, error.message.slice(0, 120))
  }
}

/** The client has gone. */
export class CloseMail extends SessionMail {
  readonly whenFrozen = 'waits'
  readonly #code: number
  readonly #reason: string

  constructor(session: AnySession, arrivedMs: number, code: number, reason: string) {
    super(session, arrivedMs)
    this.#code = code
    this.#reason = reason
  }

  override get abandoned(): boolean {
    return false
  }

  run(instance: Worker): unknown {
    this.session.worker.sessions.remove(this.session)
    return this.session.tellClose(instance, this.#code, this.#reason)
  }
}

/** What waited to be taken by a raw connection was taken. */
export class DrainMail extends SessionMail {
  readonly #tcp: TcpSession

  constructor(session: TcpSession, arrivedMs: number) {
    super(session, arrivedMs)
    this.#tcp = session
  }

  run(instance: Worker): unknown {
    return instance.tcpDrain?.(this.#tcp)
  }
}
