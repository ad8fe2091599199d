import type { Socket } from 'node:net'
import { FrameBatch } from '../frame-batch.ts'
import { request } from '../node-http.ts'
import { type Frame, FrameDecoder, type SessionId } from '../session-frames.ts'
import { HEADER } from '../wire.ts'
import type { Session } from './session.ts'

export interface HostLinkInit {
  readonly node: string
  readonly host: string
  readonly port: number
  /** For `aries-auth`; empty: none. */
  readonly token: string
  readonly hello: Extract<Frame, { type: 'hello' }>
  readonly connectTimeoutMs: number
}

export interface HostLinkHandlers {
  readonly frame: (link: HostLink, frame: Frame) => void
  /** Once, when it is closed or could not be opened. */
  readonly closed: (link: HostLink, why: string) => void
}

/** While so much waits to be written to a host, the clients of its sessions are not read. */
const CONGESTED_BYTES = 8 * 1024 * 1024

/** One connection to a host, with the frames of all of this shard's sessions there. */
export class HostLink {
  readonly node: string
  readonly sessions = new Set<Session>()
  readonly #handlers: HostLinkHandlers
  readonly #request: ReturnType<typeof request>
  readonly #decoder = new FrameDecoder()
  #socket: Socket | undefined
  /** Kept until the link is open. */
  readonly #unsent = new FrameBatch(() => this.#flush())
  #closed = false

  constructor(handlers: HostLinkHandlers, init: HostLinkInit) {
    this.node = init.node
    this.#handlers = handlers
    this.send(init.hello)
    this.#request = request({
      host: init.host,
      port: init.port,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'aries-session',
        ...(init.token === '' ? undefined : { [HEADER.auth]: init.token }),
      },
    })
    const timer = setTimeout(() => this.destroy('connect timeout'), init.connectTimeoutMs)
    this.#request
      .once('upgrade', (_answer, socket, head) => {
        clearTimeout(timer)
        // Not TLS, so what http calls a Duplex is a socket.
        this.#open(socket as Socket, head)
      })
      .once('response', (answer) => this.destroy(`host answered ${answer.statusCode}`))
      .on('error', (error) => this.destroy(error.message))
      .once('close', () => {
        clearTimeout(timer)
        if (this.#socket === undefined) this.destroy('closed')
      })
      .end()
  }

  /** It was connected at least once. */
  get wasOpen(): boolean {
    return this.#socket !== undefined
  }

  get isCongested(): boolean {
    return this.#unsent.bytes + (this.#socket?.writableLength ?? 0) > CONGESTED_BYTES
  }

  send(frame: Frame): void {
    if (!this.#closed) this.#unsent.add(frame)
  }

  acknowledge(sid: SessionId, n: number): void {
    this.#unsent.acknowledge(sid, n)
  }

  /** Sends what is left, then closes; `closed` is not called any more. */
  end(): void {
    if (this.#closed) return
    this.#flush()
    this.#closed = true
    if (this.#socket === undefined) this.#request.destroy()
    else this.#socket.destroySoon()
  }

  destroy(why: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#request.destroy()
    this.#socket?.destroy()
    this.#handlers.closed(this, why)
  }

  #open(socket: Socket, head: Buffer): void {
    if (this.#closed) {
      socket.destroy()
      return
    }
    this.#socket = socket
    socket.setNoDelay(true)
    socket
      .on('data', (chunk: Buffer) => this.#read(chunk))
      .on('error', (error) => this.destroy(error.message))
      .on('end', () => this.destroy('the host ended it'))
      .on('close', () => this.destroy('closed'))
      .on('drain', () => {
        for (const session of this.sessions) session.updateFlow()
      })
    if (head.length > 0) this.#read(head)
    this.#flush()
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (this.#closed) return
        this.#handlers.frame(this, frame)
      }
    } catch (thrown) {
      this.destroy(thrown instanceof Error ? thrown.message : String(thrown))
    }
  }

  #flush(): void {
    if (this.#socket === undefined || this.#closed) return
    const bytes = this.#unsent.take()
    if (bytes) this.#socket.write(bytes)
  }
}
