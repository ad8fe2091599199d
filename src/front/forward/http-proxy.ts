import type { IncomingMessage, Server } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import httpProxy from 'http-proxy'
import { AriesError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { Agent, createServer } from '../../node-http.ts'

export interface HttpProxyForwarderComponents {
  readonly log: Logger
}

/** Connections to one upstream; the same as the engine's own limit. */
const SOCKETS_MAX = 1_024
const HEAD_BYTES_MAX = 1_048_576

/**
 * The compatible forwarder: http-proxy, run by a server that never listens. The engine talks to it
 * over connections in memory (`Target.connect`), so that the engine stays the only one that faces
 * clients, and its rules hold for both forwarders.
 */
export class HttpProxyForwarder {
  readonly #log: Logger
  readonly #upstream: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX })
  readonly #proxy: ReturnType<typeof httpProxy.createProxyServer>
  readonly #server: Server
  /** The engine's end of each open connection, by the server's end. */
  readonly #ends = new Map<Duplex, Duplex>()

  /** `upstream`: `http://host:port`. */
  constructor(components: HttpProxyForwarderComponents, init: { readonly upstream: string }) {
    this.#log = components.log
    this.#upstream = init.upstream
    this.#proxy = httpProxy.createProxyServer({ target: init.upstream, agent: this.#agent })
    // http-proxy leaves a response open whose upstream broke off: nobody would ever know.
    this.#proxy.on('proxyRes', (response: IncomingMessage, request: IncomingMessage) => {
      response.once('close', () => {
        if (!response.complete) this.#cut(request.socket, new Error('the upstream broke off'))
      })
    })
    this.#proxy.on('error', (error, request) => this.#failed(error as Error, request))
    this.#server = createServer(
      { maxHeaderSize: HEAD_BYTES_MAX, requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 },
      (request, response) => this.#proxy.web(request, response),
    )
    this.#server.on('upgrade', (request, socket, head) => this.#proxy.ws(request, socket, head))
    this.#server.on('clientError', (error, socket) => this.#cut(socket, error))
  }

  /** A new connection to the upstream by way of http-proxy: the engine's end. */
  connect(): Duplex {
    const [near, far] = duplexPair()
    this.#ends.set(far, near)
    near.once('close', () => far.destroy())
    far.once('close', () => {
      this.#ends.delete(far)
      near.end()
      if (near.readableEnded) near.destroy()
    })
    far.on('error', () => far.destroy())
    this.#server.emit('connection', asSocket(far))
    return near
  }

  /** Cuts every connection. */
  close(): void {
    for (const near of this.#ends.values()) near.destroy()
    this.#server.close()
    this.#proxy.close()
    this.#agent.destroy()
  }

  #failed(error: Error & { syscall?: string }, request: IncomingMessage): void {
    this.#log.debug({ err: error, upstream: this.#upstream }, 'http-proxy failed')
    const notSent = error.syscall === 'connect' || error.syscall === 'getaddrinfo'
    this.#cut(
      request.socket,
      notSent
        ? new AriesError(
            'ARIES_E_NODE_UNREACHABLE',
            `target ${this.#upstream} cannot be reached: ${error.message}`,
            { cause: error },
          )
        : error,
    )
  }

  #cut(socket: Duplex, error: Error): void {
    this.#ends.get(socket)?.destroy(error)
    socket.destroy()
  }
}

/** What http-proxy calls on a socket and a connection in memory has not. */
function asSocket(end: Duplex): Duplex {
  const none = (): Duplex => end
  const destroySoon = (): void => {
    end.end(() => end.destroy())
  }
  return Object.assign(end, { setTimeout: none, setNoDelay: none, setKeepAlive: none, destroySoon })
}
