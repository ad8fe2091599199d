import { AriesError } from '../errors.ts'
import { MESSAGE_BYTES_MAX } from '../session-frames.ts'
import type { WorkerSocket } from '../worker/socket.ts'
import type { Worker } from '../worker/worker.ts'
import type { OpenWorker } from './open-worker.ts'
import { type CarriedNumbers, CloseOutput, Session, type SessionInit } from './session.ts'
import type { Output } from './turn.ts'

const OUTBOX = { messagesMax: 4_096, bytesMax: 8 * 1024 * 1024 }

export interface CarriedWebSocket extends CarriedNumbers {
  readonly url: string
}

/** A client's WebSocket. */
export class WebSocketSession extends Session implements WorkerSocket {
  readonly url: string

  constructor(init: SessionInit & { readonly url: string }) {
    super(init, OUTBOX)
    this.url = init.url
  }

  static arrived(carried: CarriedWebSocket, worker: OpenWorker, nowMs: number): WebSocketSession {
    const { sid: id, url, front } = carried
    const session = new WebSocketSession({ id, url, front, worker })
    session.arrive(carried, nowMs)
    return session
  }

  carry(): CarriedWebSocket {
    return { ...this.carriedNumbers(), url: this.url }
  }

  tellOpen(instance: Worker, request: () => Request): unknown {
    return instance.webSocketOpen?.(this, request())
  }

  tellMessage(instance: Worker, data: string | Uint8Array): unknown {
    return instance.webSocketMessage?.(this, data)
  }

  tellClose(instance: Worker, code: number, reason: string): unknown {
    return instance.webSocketClose?.(this, code, reason)
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
