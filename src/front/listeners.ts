import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../log.ts'
import { type ListenerAddress, listen, protocolOf } from './listen.ts'
import { type TlsComponents, TlsTerminator } from './tls.ts'

export interface ListenersComponents {
  readonly log: Logger
  /** A client came to `address`, as it stands in the configuration now. */
  readonly onClient: (socket: Socket, address: ListenerAddress) => void
  readonly stats: TlsComponents['stats']
}

interface Open {
  readonly server: Server
  readonly tls: TlsTerminator
  address: ListenerAddress
}

/** The listening sockets of one shard. */
export class Listeners {
  readonly #components: ListenersComponents
  readonly #reusePort: boolean
  #open = new Map<string, Open>()

  constructor(components: ListenersComponents, init: { reusePort: boolean }) {
    this.#components = components
    this.#reusePort = init.reusePort
  }

  /**
   * Listens at `addresses` and nowhere else; connections that were taken stay. When one cannot be
   * listened at, none of the change is applied, and its error is thrown.
   */
  async set(addresses: readonly ListenerAddress[]): Promise<void> {
    const added: Open[] = []
    try {
      for (const address of addresses) {
        if (!this.#open.has(keyOf(address))) added.push(await this.#listen(address))
      }
    } catch (thrown) {
      for (const { server } of added) server.close()
      throw thrown
    }
    const wanted = new Map(addresses.map((address) => [keyOf(address), address]))
    for (const [key, open] of this.#open) {
      const address = wanted.get(key)
      if (address !== undefined) {
        open.address = address
        if (address.tls) open.tls.set(address.tls, address.http2)
        continue
      }
      open.server.close()
      this.#open.delete(key)
    }
    for (const open of added) this.#open.set(keyOf(open.address), open)
  }

  /** Takes no client any more; those taken stay. */
  close(): void {
    for (const { server } of this.#open.values()) server.close()
    this.#open.clear()
  }

  async #listen(address: ListenerAddress): Promise<Open> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true })
    await listen(server, address, this.#reusePort)
    const { log, stats, onClient } = this.#components
    const tls = new TlsTerminator({
      log,
      stats,
      onClient: (socket) => onClient(socket, open.address),
    })
    if (address.tls) tls.set(address.tls, address.http2)
    const open: Open = { server, tls, address }
    server.on('connection', (socket) => {
      if (open.address.tls) tls.accept(socket)
      else onClient(socket, open.address)
    })
    // Out of file descriptors: the next client may find some again.
    server.on('error', (error) => {
      log.error({ listener: address.name, error: error.message }, 'accept failed')
    })
    return open
  }
}

function keyOf(address: ListenerAddress): string {
  return `${protocolOf(address)} ${address.host} ${address.port}`
}
