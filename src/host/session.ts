import type { SessionId } from '../session-frames.ts'
import type { Worker } from '../worker/worker.ts'
import type { OpenWorker } from './open-worker.ts'
import type { SessionLink } from './session-link.ts'
import type { Output } from './turn.ts'

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

/** What waits for a front's acknowledgement; a client that falls further behind is let go. */
export interface OutboxLimits {
  readonly messagesMax: number
  readonly bytesMax: number
}

export interface SessionInit {
  readonly id: SessionId
  readonly front: FrontIdentity
  readonly worker: OpenWorker
}

/** What every session carries when its worker moves. */
export interface CarriedNumbers {
  readonly sid: SessionId
  readonly front: FrontIdentity
  /** Number of the last inbound message whose turn is committed. */
  readonly inSeq: number
  readonly outSeq: number
  readonly outbox: readonly OutMessage[]
  /** The client has gone, and the worker was not told yet. */
  readonly left?: readonly [code: number, reason: string]
}

/** A client's session, seen from the host. Both directions are numbered from 1. */
export abstract class Session {
  readonly id: SessionId
  readonly front: FrontIdentity
  readonly worker: OpenWorker
  /** Undefined while no link serves it: after a move or a lost link, until the front attaches. */
  link: SessionLink | undefined
  detachedMs = 0
  accepted = false
  /** No more messages from the worker: it closed the session, or the client has gone. */
  closing = false
  left: readonly [code: number, reason: string] | undefined
  /** Last inbound number that was taken into the mailbox, and that was applied. */
  inSeq = 0
  inDone = 0
  readonly #outboxLimits: OutboxLimits
  #outSeq = 0
  #outbox: OutMessage[] = []
  #outboxBytes = 0

  constructor(init: SessionInit, outboxLimits: OutboxLimits) {
    this.id = init.id
    this.front = init.front
    this.worker = init.worker
    this.#outboxLimits = outboxLimits
  }

  /** What the author's code is told. */
  abstract tellOpen(instance: Worker, request: () => Request): unknown
  abstract tellMessage(instance: Worker, data: string | Uint8Array): unknown
  abstract tellClose(instance: Worker, code: number, reason: string): unknown

  /** Bytes that were sent and not acknowledged. */
  get outboxBytes(): number {
    return this.#outboxBytes
  }

  protected carriedNumbers(): CarriedNumbers {
    return {
      sid: this.id,
      front: this.front,
      inSeq: this.inDone,
      outSeq: this.#outSeq,
      outbox: this.#outbox,
      ...(this.left ? { left: this.left } : {}),
    }
  }

  /** It came with its worker; its front will attach it. */
  protected arrive(carried: CarriedNumbers, nowMs: number): void {
    this.accepted = true
    this.detachedMs = nowMs
    this.inSeq = this.inDone = carried.inSeq
    this.#outSeq = carried.outSeq
    this.#outbox = [...carried.outbox]
    for (const { data } of carried.outbox) this.#outboxBytes += data.length
  }

  /** Numbers a committed message and sends it. False when the client is too far behind. */
  deliver(data: string | Uint8Array): boolean {
    const message = { n: ++this.#outSeq, data }
    this.#outbox.push(message)
    this.#outboxBytes += data.length
    this.worker.meter.ioBytes += data.length
    this.link?.send({ type: 'message', sid: this.id, n: message.n, data })
    const { messagesMax, bytesMax } = this.#outboxLimits
    return this.#outbox.length <= messagesMax && this.#outboxBytes <= bytesMax
  }

  /** The front is rid of everything up to `n`. */
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

  /**
   * A link serves the session, whose front has seen everything up to `seen`: sends the rest. What
   * the front has seen it may not be rid of yet: it says so by itself.
   */
  attach(link: SessionLink, seen: number): void {
    this.link = link
    if (this.inDone > 0) link.acknowledge(this.id, this.inDone)
    for (const { n, data } of this.#outbox) {
      if (n > seen) link.send({ type: 'message', sid: this.id, n, data })
    }
  }

  detach(nowMs: number): void {
    this.link = undefined
    this.detachedMs = nowMs
  }
}

/** The worker ends the session. */
export class CloseOutput implements Output {
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
