import { createServer, type Server } from 'node:net'
import { listenOn } from '../listen.ts'
import { Deadlines } from './deadlines.ts'
import { ServerConnection } from './server-connection.ts'
import type { ServerHandlers, ServerHome, ServerLimits } from './server-home.ts'

/** Limits between members are for what went wrong: they need not be exact. */
const TICK_MS = 1_000

/**
 * An HTTP/1.1 server on plain sockets, for ports that members and not clients ask: as strict as the
 * front, since what two parsers read differently is a hole wherever they stand.
 */
export class Http1Server implements ServerHome {
  readonly limits: ServerLimits
  readonly handlers: ServerHandlers
  readonly deadlines = new Deadlines(TICK_MS)
  readonly keepAliveLine: string
  closing = false
  readonly #server: Server
  readonly #connections = new Set<ServerConnection>()

  constructor(handlers: ServerHandlers, limits: ServerLimits) {
    this.handlers = handlers
    this.limits = limits
    this.keepAliveLine = `keep-alive: timeout=${Math.trunc(limits.idleTimeoutMs / 1_000)}\r\n`
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#connections.add(new ServerConnection(this, socket))
    })
  }

  /** Resolves with the port. `purpose`: for the error of a port that cannot be had. */
  async listen(bind: string, purpose: string): Promise<number> {
    await listenOn(this.#server, { host: bind, port: 0 }, purpose)
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /**
   * Takes no new connection, and no request on those that are idle; resolves when every connection
   * has ended, also those that became something else.
   */
  async close(): Promise<void> {
    this.closing = true
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.serverCloses()
    await closed
    this.deadlines.stop()
  }

  left(connection: ServerConnection): void {
    this.#connections.delete(connection)
  }
}
