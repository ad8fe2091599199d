/** A client's raw connection. An empty message ends a direction; bytes are never empty. */
import { AriesError } from '../errors.ts'
import { MESSAGE_BYTES_MAX, type TcpClient } from '../session-frames.ts'
import type { WorkerTcpSocket } from '../worker/tcp-socket.ts'
import type { Worker } from '../worker/worker.ts'
import type { OpenWorker } from './open-worker.ts'
import { type CarriedNumbers, CloseOutput, Session, type SessionInit } from './session.ts'
import type { Output, Turn } from './turn.ts'

/** A client whose worker writes on, though much waits, is let go. */
const OUTBOX = { messagesMax: 65_536, bytesMax: 8 * 1024 * 1024 }
/** `write` answers false from here on, and `tcpDrain` is called below the half of it. */
const HIGH_WATER_BYTES = 256 * 1024
const ABNORMAL = 1006
const NORMAL = 1000
const NO_MORE = new Uint8Array()

export interface CarriedTcp extends CarriedNumbers {
  readonly tcp: TcpClient & { readonly ended: boolean; readonly wantsDrain: boolean }
}

export class TcpSession extends Session implements WorkerTcpSocket {
  readonly remoteAddress: string
  readonly localPort: number
  /** Calls the worker's `tcpDrain` in a turn to come. */
  onDrain: ((session: TcpSession) => void) | undefined
  /** The worker has said all. */
  #ended = false
  #wantsDrain = false
  /** What turns wrote that are not committed yet. */
  #heldBytes = 0
  #written: Written | undefined

  constructor(init: SessionInit & TcpClient) {
    super(init, OUTBOX)
    this.remoteAddress = init.remoteAddress
    this.localPort = init.localPort
  }

  static arrived(carried: CarriedTcp, worker: OpenWorker, nowMs: number): TcpSession {
    const { sid: id, front, tcp } = carried
    const session = new TcpSession({ id, front, worker, ...tcp })
    session.arrive(carried, nowMs)
    session.#ended = tcp.ended
    session.#wantsDrain = tcp.wantsDrain
    return session
  }

  get bufferedBytes(): number {
    return this.#heldBytes + this.outboxBytes
  }

  carry(): CarriedTcp {
    const { remoteAddress, localPort } = this
    const tcp = { remoteAddress, localPort, ended: this.#ended, wantsDrain: this.#wantsDrain }
    return { ...this.carriedNumbers(), tcp }
  }

  tellOpen(instance: Worker): unknown {
    return instance.tcpOpen?.(this)
  }

  tellMessage(instance: Worker, data: string | Uint8Array): unknown {
    if (data.length > 0) return instance.tcpData?.(this, data as Uint8Array)
    if (instance.tcpEnd) return instance.tcpEnd(this)
    this.end()
    return undefined
  }

  tellClose(instance: Worker, code: number): unknown {
    return instance.tcpClose?.(this, code !== NORMAL)
  }

  write(data: string | Uint8Array): boolean {
    if (this.closing || this.#ended) {
      throw new AriesError('ARIES_E_WORKER_FAILED', 'the socket is ended')
    }
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new TypeError('what is written is a string or a Uint8Array')
    }
    // A copy: the author may use the array again before the turn is committed.
    const bytes = Buffer.from(data)
    if (bytes.length > 0) {
      this.#inThisTurn().add(bytes)
      this.#heldBytes += bytes.length
    }
    if (this.bufferedBytes < HIGH_WATER_BYTES) return true
    this.#wantsDrain = true
    return false
  }

  end(data?: string | Uint8Array): void {
    if (data !== undefined) this.write(data)
    if (this.closing || this.#ended) return
    this.#inThisTurn().ends = true
    this.#ended = true
  }

  destroy(): void {
    if (this.closing) return
    this.worker.output(new CloseOutput(this, ABNORMAL, 'the worker destroyed the socket'))
    this.closing = true
  }

  override acknowledged(n: number): void {
    super.acknowledged(n)
    this.checkDrain()
  }

  /** Has the worker told, once, when what waits has been taken. */
  checkDrain(): void {
    if (!this.#wantsDrain || this.closing || this.bufferedBytes > HIGH_WATER_BYTES / 2) return
    this.#wantsDrain = false
    this.onDrain?.(this)
  }

  /** The turn is committed, or was undone: what it wrote is on its way, or is nothing. */
  release(written: Written, counts: boolean): void {
    this.#heldBytes -= written.bytes
    if (!counts) {
      if (written.ends) this.#ended = false
      return
    }
    if (this.left) return
    for (const piece of written.pieces()) {
      if (this.deliver(piece)) continue
      this.worker.sessions.shut(this, 1013, 'too slow')
      return
    }
    if (written.ends) this.deliver(NO_MORE)
  }

  #inThisTurn(): Written {
    const turn = this.worker.running.alone
    if (!this.#written || this.#written.turn !== turn) {
      const written = new Written(this, turn)
      this.worker.output(written)
      this.#written = written
    }
    return this.#written
  }
}

/** What one turn wrote to one connection: it leaves as one message, or a few. */
class Written implements Output {
  readonly turn: Turn | undefined
  ends = false
  bytes = 0
  readonly #session: TcpSession
  #chunks: Buffer[] = []

  constructor(session: TcpSession, turn: Turn | undefined) {
    this.#session = session
    this.turn = turn
  }

  add(bytes: Buffer): void {
    this.#chunks.push(bytes)
    this.bytes += bytes.length
  }

  *pieces(): Iterable<Uint8Array> {
    const whole = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    for (let at = 0; at < whole.length; at += MESSAGE_BYTES_MAX) {
      yield whole.subarray(at, at + MESSAGE_BYTES_MAX)
    }
  }

  release(): void {
    this.#session.release(this, true)
  }

  undo(): void {
    this.#session.release(this, false)
  }
}
