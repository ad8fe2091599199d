/**
 * Clients with a WebSocket: it is opened only when the worker has accepted it, so that a refusal is
 * an HTTP status.
 */
import type { WebSocket } from 'ws'
import type { AriesError } from '../errors.ts'
import type { WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { ClientEnd, ClientHandlers, Opening } from './client-end.ts'
import type { SplicedBytes } from './metrics.ts'
import type { RequestHead, UpgradedSocket } from './plan.ts'
import { writeError } from './reply.ts'
import type { Sessions } from './sessions.ts'
import { handshakeFault, WebSocketEndpoint } from './websocket.ts'
import { WebSocketEnd } from './websocket-end.ts'

/** A client that does not answer a ping until the next is gone. */
const PING_INTERVAL_MS = 30_000

export interface WebSocketClientsComponents {
  readonly log: Logger
  readonly sessions: Sessions
  readonly bytes: SplicedBytes
}

export class WebSocketClients {
  readonly #c: WebSocketClientsComponents
  readonly #endpoint: WebSocketEndpoint
  readonly #ends = new Set<WebSocketEnd>()
  readonly #pings: NodeJS.Timeout

  constructor(components: WebSocketClientsComponents, limits: { messageBytesMax: number }) {
    this.#c = components
    this.#endpoint = new WebSocketEndpoint(limits)
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL_MS)
    this.#pings.unref()
  }

  setLimits(limits: { messageBytesMax: number }): void {
    this.#endpoint.setLimits(limits)
  }

  /** Why the request cannot become a WebSocket at all; undefined when it can. */
  fault(head: RequestHead): AriesError | undefined {
    return handshakeFault(head) ?? this.#c.sessions.fault()
  }

  /** Takes the client's socket, paused, and what it sent past the head. */
  open(head: RequestHead, id: WorkerId, socket: UpgradedSocket, early: Buffer): void {
    const { sessions, bytes } = this.#c
    const { bytesRead, bytesWritten } = socket
    const session = sessions.open(
      id,
      new WebSocketOpening(
        head,
        socket,
        early,
        (ws, handlers) => this.#end(ws, handlers),
        this.#endpoint,
      ),
    )
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      bytes.in += socket.bytesRead - bytesRead
      bytes.out += socket.bytesWritten - bytesWritten
      if (session.opening !== undefined) sessions.left(session, 1006, '')
    })
  }

  stop(): void {
    clearInterval(this.#pings)
  }

  #end(ws: WebSocket, handlers: ClientHandlers): WebSocketEnd {
    const end: WebSocketEnd = new WebSocketEnd(ws, {
      data: handlers.data,
      left: (code, reason) => {
        this.#ends.delete(end)
        handlers.left(code, reason)
      },
    })
    // What is wrong with the client's frames; ws closes it by itself with the right code.
    ws.on('error', (error) => this.#c.log.debug({ error: error.message }, 'client fault'))
    this.#ends.add(end)
    return end
  }

  #ping(): void {
    for (const end of this.#ends) end.ping()
  }
}

class WebSocketOpening implements Opening {
  readonly request: Opening['request']
  readonly #head: RequestHead
  readonly #socket: UpgradedSocket
  /** What the client sent past the head. */
  readonly #early: Buffer
  readonly #endOf: (ws: WebSocket, handlers: ClientHandlers) => ClientEnd
  readonly #endpoint: WebSocketEndpoint

  constructor(
    head: RequestHead,
    socket: UpgradedSocket,
    early: Buffer,
    endOf: (ws: WebSocket, handlers: ClientHandlers) => ClientEnd,
    endpoint: WebSocketEndpoint,
  ) {
    this.request = { url: head.target, headers: openHeaders(head) }
    this.#head = head
    this.#socket = socket
    this.#early = early
    this.#endOf = endOf
    this.#endpoint = endpoint
  }

  accept(handlers: ClientHandlers, by: { protocol: string; node: string }): ClientEnd | undefined {
    const ws = this.#endpoint.upgrade(this.#head, by, this.#socket, this.#early)
    this.#socket.resume()
    return ws && this.#endOf(ws, handlers)
  }

  refuse(status: number, error: AriesError, node: string): void {
    if (this.#socket.destroyed) return
    this.#socket.resume()
    writeError(this.#socket, status >= 400 && status <= 599 ? status : 502, error, node)
  }
}

const NOT_FOR_WORKERS =
  /^(connection|upgrade|keep-alive|proxy-.*|aries-.*|x-forwarded-for|sec-websocket-(key|version|extensions))$/

/** Headers of the client's request as the worker sees them, and who the client is. */
function openHeaders(head: RequestHead): [string, string][] {
  const headers = head.headers.filter(([name]) => !NOT_FOR_WORKERS.test(name.toLowerCase()))
  return [
    ...headers.map(([name, value]): [string, string] => [name, value]),
    ['x-forwarded-for', head.remoteAddress],
  ]
}
