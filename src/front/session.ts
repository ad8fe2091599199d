import type { WorkerId } from '../identity.ts'
import type { SessionId } from '../session-frames.ts'
import type { OwnerAddress } from '../wire.ts'
import type { ClientEnd, Opening } from './client-end.ts'
import type { HostLink } from './session-link.ts'

/** What a client may have sent without the worker having applied it; past it, it is not read. */
const UNACKED_MESSAGES_MAX = 1_024
const UNACKED_BYTES_MAX = 4 * 1024 * 1024
/** What may wait to be written to a client; one that reads slower than this is let go. */
const CLIENT_BYTES_MAX = 8 * 1024 * 1024

interface InMessage {
  readonly n: number
  readonly data: string | Uint8Array
  readonly bytes: number
}

export interface SessionInit {
  readonly sid: SessionId
  readonly id: WorkerId
  readonly worker: string
  readonly opening: Opening
}

/**
 * A client's session and its numbers. It outlives its links: where the worker goes, it is attached
 * again, sends what was not acknowledged and drops what it has seen.
 */
export class Session {
  readonly sid: SessionId
  readonly id: WorkerId
  /** `formatWorkerId` of the worker. */
  readonly worker: string
  opening: Opening | undefined
  client: ClientEnd | undefined
  owner: OwnerAddress | undefined
  link: HostLink | undefined
  /** Since when no host has answered for it, on the monotonic clock; undefined: one has. */
  lostAtMs: number | undefined
  /** Hosts in a row that sent it on. */
  redirects = 0
  /** Why the client's side ended; the host is told when it has applied what came before. */
  left: readonly [code: number, reason: string] | undefined
  /** Nothing more is to be done for it. */
  over = false
  #seen = 0
  /** Up to here everything is off our hands: the host may forget it. */
  #handedOn = 0
  #sent = 0
  #unacked: InMessage[] = []
  #unackedBytes = 0

  constructor(init: SessionInit) {
    this.sid = init.sid
    this.id = init.id
    this.worker = init.worker
    this.opening = init.opening
  }

  get hasUnacked(): boolean {
    return this.#unacked.length > 0
  }

  /** The client sent a message: it gets the next number and is kept until acknowledged. */
  take(data: string | Uint8Array): void {
    this.#sent += 1
    const message = { n: this.#sent, data, bytes: data.length }
    this.#unacked.push(message)
    this.#unackedBytes += message.bytes
    this.link?.send({ type: 'message', sid: this.sid, n: message.n, data })
    this.updateFlow()
  }

  /** The host has applied everything up to `n`. */
  acknowledged(n: number): void {
    let count = 0
    while (count < this.#unacked.length && this.#unacked[count]!.n <= n) {
      this.#unackedBytes -= this.#unacked[count]!.bytes
      count += 1
    }
    if (count === 0) return
    this.#unacked.splice(0, count)
    this.updateFlow()
  }

  /**
   * Message `n` came from the host. False when one before it is missing, which no attach can cure.
   */
  deliver(n: number, data: string | Uint8Array): boolean {
    if (n > this.#seen + 1) return false
    if (n === this.#seen + 1) {
      this.#seen = n
      this.client?.send(data, () => {
        this.#handedOn = n
        this.link?.acknowledge(this.sid, n)
      })
    } else {
      this.link?.acknowledge(this.sid, this.#handedOn)
    }
    return true
  }

  get isTooSlow(): boolean {
    return (this.client?.bufferedBytes ?? 0) > CLIENT_BYTES_MAX
  }

  /** Goes on over `link`: asks to be opened or attached there, and sends again what is not acknowledged. */
  attach(link: HostLink, owner: OwnerAddress): void {
    this.detach()
    this.link = link
    this.owner = owner
    link.sessions.add(this)
    const { sid, worker, opening } = this
    if (opening !== undefined) {
      link.send({ type: 'open', sid, worker, ...opening.request })
      return
    }
    link.send({ type: 'attach', sid, worker, seen: this.#seen })
    if (this.#handedOn > 0) link.acknowledge(sid, this.#handedOn)
    for (const { n, data } of this.#unacked) link.send({ type: 'message', sid, n, data })
    this.updateFlow()
  }

  detach(): void {
    this.link?.sessions.delete(this)
    this.link = undefined
  }

  /** Reads the client or does not, by how much of what it sent is still on its way. */
  updateFlow(): void {
    const isFull =
      this.#unacked.length >= UNACKED_MESSAGES_MAX ||
      this.#unackedBytes >= UNACKED_BYTES_MAX ||
      this.link?.isCongested === true
    this.client?.setReading(!isFull)
  }
}
