import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../log.ts'
import type { TlsTerms } from './certificates.ts'
import { fdOf, type ListeningSocket, listenAt } from './handover.ts'
import { Intake, type IntakeComponents } from './intake.ts'
import { type ListenerAddress, listen, listenerKey, protocolOf } from './listen.ts'
import { type TlsComponents, TlsTerminator } from './tls.ts'
import { inodeOf, removeSocket } from './unix-socket.ts'

export interface ListenersComponents {
  readonly log: Logger
  /** A client came to `address`, as it stands in the configuration now. */
  readonly onClient: (socket: Socket, address: ListenerAddress) => void
  /** Who came to that listener had better come anew: it is gone, or the name that they know it by. */
  readonly onGone: (listener: string) => void
  readonly stats: TlsComponents['stats'] & IntakeComponents['stats']
}

interface Open {
  /** One; more when they were inherited from a front that had more shards. */
  readonly servers: readonly Server[]
  readonly intake: Intake
  readonly tls: TlsTerminator
  /** Of a Unix socket: of its file. */
  readonly inode: number | undefined
  address: ListenerAddress
}

/** The listening sockets of one shard. */
export class Listeners {
  readonly #components: ListenersComponents
  /** Sockets of the process before this one that nobody listens at yet. */
  #inherited: readonly ListeningSocket[]
  #open = new Map<string, Open>()

  constructor(
    components: ListenersComponents,
    init: { readonly inherited: readonly ListeningSocket[] },
  ) {
    this.#components = components
    this.#inherited = init.inherited
  }

  /** The listening sockets, to be inherited by another process. */
  sockets(): ListeningSocket[] {
    return [...this.#open.values()].flatMap(({ servers, address }) =>
      servers.map((server) => ({
        listener: listenerKey(address),
        port: address.port,
        fd: fdOf(server),
      })),
    )
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
      for (const open of added) remove(open)
      throw thrown
    }
    const wanted = new Map(addresses.map((address) => [keyOf(address), address]))
    for (const [key, open] of this.#open) {
      const address = wanted.get(key)
      if (address !== undefined) {
        if (hasLost(open.address.tls, address.tls)) this.#components.onGone(keyOf(address))
        open.address = address
        open.intake.set(address.proxies)
        if (address.tls) open.tls.set(address.tls, address.http2)
        continue
      }
      remove(open)
      this.#open.delete(key)
      this.#components.onGone(key)
    }
    for (const open of added) this.#open.set(keyOf(open.address), open)
  }

  /**
   * Takes no client any more; those taken stay. Resolves when the last handshake is over.
   * `inherited`: another process listens at the same sockets, files included.
   */
  async close(inherited = false): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const each of open) {
      if (inherited) close(each)
      else remove(each)
    }
    await Promise.all(open.map(({ intake }) => intake.settled()))
    await Promise.all(open.map(({ tls }) => tls.settled()))
  }

  async #listen(address: ListenerAddress): Promise<Open> {
    const { log, stats, onClient } = this.#components
    const tls = new TlsTerminator({
      log,
      stats,
      onClient: (socket) => onClient(socket, open.address),
    })
    if (address.tls) tls.set(address.tls, address.http2)
    const intake = new Intake({
      log,
      stats,
      onClient: (socket) => {
        if (open.address.tls) tls.accept(socket)
        else onClient(socket, open.address)
      },
    })
    intake.set(address.proxies)
    const servers = await this.#servers(address)
    const inode = address.unixMode === undefined ? undefined : inodeOf(address.host)
    const open: Open = { servers, intake, tls, inode, address }
    for (const server of servers) {
      server.on('connection', (socket) => intake.accept(socket, open.address))
      // Out of file descriptors: the next client may find some again.
      server.on('error', (error) => {
        log.error({ listener: address.name, error: error.message }, 'accept failed')
      })
    }
    return open
  }

  async #servers(address: ListenerAddress): Promise<Server[]> {
    const key = listenerKey(address)
    const inherited = this.#inherited.filter(({ listener }) => listener === key)
    this.#inherited = this.#inherited.filter(({ listener }) => listener !== key)
    if (inherited.length > 0) {
      return Promise.all(inherited.map(({ fd }) => listenAt(createServer(SERVER), fd)))
    }
    const server = createServer(SERVER)
    await listen(server, address, true)
    return [server]
  }
}

const SERVER = { allowHalfOpen: true, noDelay: true, keepAlive: true }

function close({ servers }: Open): void {
  for (const server of servers) server.close()
}

/** Closes it for good. */
function remove(open: Open): void {
  close(open)
  removeSocket(open.address.host, open.inode)
}

/** Whether a name that a client may have asked for has no certificate any more. */
function hasLost(before: TlsTerms | undefined, now: TlsTerms | undefined): boolean {
  if (before === undefined) return false
  const names = new Set(now?.certificates.flatMap((each) => each.names))
  return before.certificates.some((each) => each.names.some((name) => !names.has(name)))
}

/** Tells the listeners of a shard apart. */
export function keyOf(address: ListenerAddress): string {
  return `${protocolOf(address)} ${address.host} ${address.port}`
}
