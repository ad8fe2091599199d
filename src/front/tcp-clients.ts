/** Clients of TCP listeners that lead to workers. */
import type { Socket } from 'node:net'
import { isWorkerKey } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { ClientEnd, ClientHandlers, Opening } from './client-end.ts'
import type { WorkerListener } from './listen.ts'
import type { SplicedBytes } from './metrics.ts'
import type { Sessions } from './sessions.ts'
import { TcpEnd } from './tcp-end.ts'

export interface TcpClientsComponents {
  readonly log: Logger
  readonly sessions: Sessions
  readonly bytes: SplicedBytes
  readonly idleTimeoutMs: () => number
}

export class TcpClients {
  readonly #c: TcpClientsComponents

  constructor(components: TcpClientsComponents) {
    this.#c = components
  }

  /** `socket`: fresh, with `allowHalfOpen`. One that no session can be opened for is reset. */
  accept(socket: Socket, worker: WorkerListener): void {
    const { log, sessions, bytes, idleTimeoutMs } = this.#c
    socket.on('error', () => socket.destroy())
    socket.pause()
    // Gone already: nobody can tell any more whose worker it was for.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const key = keyOf(socket, worker)
    const fault = sessions.fault()
    if (fault !== undefined || !isWorkerKey(key)) {
      log.warn({ client: socket.remoteAddress, code: fault?.code }, 'TCP client reset')
      socket.resetAndDestroy()
      return
    }
    const opening = new TcpOpening({ socket, log }, { idleTimeoutMs: idleTimeoutMs() })
    const session = sessions.open({ class: worker.class, key }, opening)
    socket.once('close', () => {
      bytes.in += socket.bytesRead
      bytes.out += socket.bytesWritten
      if (session.opening !== undefined) sessions.left(session, 1006, '')
    })
  }
}

/** The key that the listener's pattern gives to the connection. */
function keyOf(socket: Socket, { key }: WorkerListener): string {
  return key.replace(/:(address|port)/g, (_, name) =>
    name === 'port' ? String(socket.localPort) : addressOf(socket),
  )
}

/** One client has one address, on a listener for IPv4 and on one for both. */
function addressOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
}

class TcpOpening implements Opening {
  readonly request: Opening['request']
  readonly #socket: Socket
  readonly #log: Logger
  readonly #idleTimeoutMs: number

  constructor(components: { socket: Socket; log: Logger }, init: { idleTimeoutMs: number }) {
    const { socket } = components
    this.#socket = socket
    this.#log = components.log
    this.#idleTimeoutMs = init.idleTimeoutMs
    const tcp = { remoteAddress: addressOf(socket), localPort: socket.localPort ?? 0 }
    this.request = { url: '', headers: [], tcp }
  }

  accept(handlers: ClientHandlers): ClientEnd | undefined {
    if (this.#socket.destroyed) return undefined
    const end = new TcpEnd(this.#socket, handlers, { idleTimeoutMs: this.#idleTimeoutMs })
    end.setReading(true)
    return end
  }

  refuse(status: number, error: Error): void {
    const client = this.#socket.remoteAddress
    this.#log.warn({ client, status, why: error.message }, 'TCP client reset')
    this.#socket.resetAndDestroy()
  }
}
