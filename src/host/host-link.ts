/** A connection between two hosts: of a move, or of an owner with its standby. */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AriesError } from '../errors.ts'
import { encodeMessage, MessageDecoder, type WireMessage } from '../move/codec.ts'
import { request } from '../node-http.ts'
import { checkShape, type Shapes } from '../shapes.ts'
import { HEADER, type HostAddress } from '../wire.ts'
import { release } from './release.ts'

const CONNECT_TIMEOUT_MS = 2_000

/** What a connection between hosts may be for: the value of `Upgrade`. */
export type HostProtocol = 'aries-move' | 'aries-standby'

export interface LinkHandlers<In> {
  readonly message: (message: In) => void
  readonly closed: () => void
}

export class HostLink<Out extends WireMessage, In extends WireMessage> {
  readonly #socket: Duplex
  /** Who hears of it: of a connection that serves several moves, the one that has it now. */
  handlers: LinkHandlers<In>
  bytes = 0

  constructor(socket: Duplex, handlers: LinkHandlers<In>, shapes: Shapes) {
    this.#socket = socket
    this.handlers = handlers
    const decoder = new MessageDecoder()
    ;(socket as Partial<Socket>).setNoDelay?.(true)
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of decoder.push(chunk)) {
          checkShape(message, shapes)
          this.handlers.message(message as In)
        }
      } catch {
        socket.destroy()
      }
      release(chunk)
    })
    socket.on('error', () => socket.destroy())
    socket.on('end', () => {
      // Node makes an error, with its stack, of a second end.
      if (!socket.writableEnded) socket.end()
    })
    socket.once('close', () => this.handlers.closed())
  }

  /** Neither end has begun to close it, as far as is known here. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.writableEnded
  }

  /** What waits to be sent. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  send(message: Out): void {
    if (!this.isOpen) return
    this.#socket.cork()
    for (const piece of encodeMessage(message)) {
      this.bytes += piece.length
      this.#socket.write(piece)
    }
    this.#socket.uncork()
  }

  /** Resolves when everything was handed to the system, or the connection is gone. */
  async drained(): Promise<void> {
    const socket = this.#socket
    if (!socket.writableNeedDrain || socket.destroyed) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      socket.on('drain', done)
      socket.on('close', done)
    })
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** Connects to another host. Throws `ARIES_E_MOVE_REFUSED`: nothing has begun. */
export function connectHost(
  to: HostAddress,
  token: string,
  protocol: HostProtocol,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => {
      reject(new AriesError('ARIES_E_MOVE_REFUSED', `${to.node}: ${why}`))
    }
    const req = request({
      host: to.host,
      port: to.port,
      timeout: CONNECT_TIMEOUT_MS,
      headers: { connection: 'Upgrade', upgrade: protocol, [HEADER.auth]: token },
    })
    req.once('upgrade', (_res, socket, head) => {
      socket.setTimeout(0)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    req.once('response', (res) => {
      res.destroy()
      refuse(`its host answered ${res.statusCode}`)
    })
    req.once('timeout', () => req.destroy(new Error('its host does not answer')))
    req.once('error', (error) => refuse(error.message))
    req.end()
  })
}
