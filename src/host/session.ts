import { AriesError } from '../errors.ts'
import { MESSAGE_BYTES_MAX, type SessionId } from '../session-frames.ts'
import type { WorkerSocket } from '../worker/socket.ts'
import type { OpenWorker } from './open-worker.ts'
import type { SessionLink } from './session-link.ts'
import type { Output } from './turn.ts'

/** What may wait for a front's acknowledgement; a client that falls further behind is let go. */
const OUTBOX_MESSAGES_MAX = 4_096
const OUTBOX_BYTES_MAX = 8 * 1024 * 1024

/** The shard of a front, and its life, that a session's client is connected to. */
export interface FrontIdentity {
  readonly front: string
  readonly shard: number
  readonly boot: number
}

export interface OutMessage {
  readonly n: number
  readonly data: string | Uint8Array
}

/** A session as a move carries it. */
export interface CarriedSession {
  readonly sid: SessionId
  readonly url: string
  readonly front: FrontIdentity
  /** Number of the last inbound message whose turn is committed. */
  readonly inSeq: number
  readonly outSeq: number
  readonly outbox: readonly OutMessage[]
  /** The client has gone, and the worker was not told yet. */
  readonly left?: readonly [code: number, reason: string]
}

/** A client's WebSocket, seen from the host. Both directions are numbered from 1. */
export class Session implements WorkerSocket {
  readonly id: SessionId
  readonly url: string
  readonly front: FrontIdentity
  readonly worker: OpenWorker
  /** Undefined while no link serves it: after a move or a lost link, until the front attaches. */
  link: SessionLink | undefined
  detachedMs = 0
  accepted = false
  /** No more messages from the worker: it closed the socket, or the client has gone. */
  closing = false
  left: readonly [code: number, reason: string] | undefined
  /** Last inbound number that was taken into the mailbox, and that was applied. */
  inSeq = 0
  inDone = 0
  #outSeq = 0
  #outbox: OutMessage[] = []
  #outboxBytes = 0

  constructor(init: { id: SessionId; url: string; front: FrontIdentity; worker: OpenWorker }) {
    this.id = init.id
    this.url = init.url
    this.front = init.front
    this.worker = init.worker
  }

  static arrived(carried: CarriedSession, worker: OpenWorker, nowMs: number): Session {
    const { sid, url, front } = carried
    const session = new Session({ id: sid, url, front, worker })
    session.accepted = true
    session.detachedMs = nowMs
    session.inSeq = session.inDone = carried.inSeq
    session.#outSeq = carried.outSeq
    session.#outbox = [...carried.outbox]
    for (const { data } of carried.outbox) session.#outboxBytes += data.length
    return session
  }

  carry(): CarriedSession {
    return {
      sid: this.id,
      url: this.url,
      front: this.front,
      inSeq: this.inDone,
      outSeq: this.#outSeq,
      outbox: this.#outbox,
      ...(this.left ? { left: this.left } : {}),
    }
  }

  send(message: string | Uint8Array): void {
    if (this.closing) throw new AriesError('ARIES_E_WORKER_FAILED', 'the socket is closed')
    if (typeof message !== 'string' && !(message instanceof Uint8Array)) {
      throw new TypeError('a message is a string or a Uint8Array')
    }
    // Here and not on the link: a frame that no front reads would be sent again and again.
    if (Buffer.byteLength(message) > MESSAGE_BYTES_MAX) {
      throw new RangeError(`a message of more than ${MESSAGE_BYTES_MAX} bytes`)
    }
    this.worker.output(new MessageOutput(this, message))
  }

  close(code = 1000, reason = ''): void {
    if (this.closing) return
    if (!Number.isInteger(code) || (code !== 1000 && (code < 1001 || code > 4999))) {
      throw new RangeError(`${code} is not a close code`)
    }
    this.worker.output(new CloseOutput(this, code, String(reason).slice(0, 120)))
    this.closing = true
  }

  /** Numbers a committed message and sends it. False when the client is too far behind. */
  deliver(data: string | Uint8Array): boolean {
    const message = { n: ++this.#outSeq, data }
    this.#outbox.push(message)
    this.#outboxBytes += data.length
    this.link?.send({ type: 'message', sid: this.id, n: message.n, data })
    return this.#outbox.length <= OUTBOX_MESSAGES_MAX && this.#outboxBytes <= OUTBOX_BYTES_MAX
  }

  /** The front has everything up to `n`. */
  acknowledged(n: number): void {
    let count = 0
    while (count < this.#outbox.length && this.#outbox[count]!.n <= n) {
      this.#outboxBytes -= this.#outbox[count]!.data.length
      count++
    }
    if (count > 0) this.#outbox.splice(0, count)
  }

  /** Inbound message `n` is applied, for good or with an error. */
  applied(n: number): void {
    this.inDone = n
    this.link?.acknowledge(this.id, n)
  }

  /** A link serves the session, whose front has seen everything up to `seen`: sends the rest. */
  attach(link: SessionLink, seen: number): void {
    this.link = link
    this.acknowledged(seen)
    if (this.inDone > 0) link.acknowledge(this.id, this.inDone)
    for (const { n, data } of this.#outbox) link.send({ type: 'message', sid: this.id, n, data })
  }

  detach(nowMs: number): void {
    this.link = undefined
    this.detachedMs = nowMs
  }
}

class MessageOutput implements Output {
  readonly #session: Session
  readonly #data: string | Uint8Array

  constructor(session: Session, data: string | Uint8Array) {
    this.#session = session
    this.#data = data
  }

  release(): void {
    const session = this.#session
    if (session.left) return
    if (!session.deliver(this.#data)) session.worker.sessions.shut(session, 1013, 'too slow')
  }

  undo(): void {}
}

class CloseOutput implements Output {
  readonly #session: Session
  readonly #code: number
  readonly #reason: string

  constructor(session: Session, code: number, reason: string) {
    this.#session = session
    this.#code = code
    this.#reason = reason
  }

  release(): void {
    this.#session.worker.sessions.shut(this.#session, this.#code, this.#reason)
  }

  undo(): void {
    this.#session.closing = false
  }
}
