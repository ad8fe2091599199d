import { type BlockList, isIP, type Socket } from 'node:net'
import { UNIX_PEER } from '../config/schema/listeners.ts'
import { AriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { subnetsOf } from '../subnets.ts'
import { readFirst } from './first-bytes.ts'
import type { ListenerAddress, ProxySettings } from './listen.ts'
import type { ShardStats } from './metrics.ts'
import { PROXY_HEADER_BYTES_MAX, type ProxiedPeer, parseProxyHeader } from './proxy-protocol.ts'

/** Connections of one listener whose header is being waited for; more are closed. */
const WAITING_MAX = 2_000

export interface IntakeComponents {
  readonly log: Logger
  readonly stats: Pick<ShardStats, 'proxyFailures'>
  /** It is known who the client is. */
  readonly onClient: (socket: Socket) => void
}

/** What comes before TLS and HTTP: the PROXY header of trusted proxies. */
export class Intake {
  readonly #c: IntakeComponents
  #settings: ProxySettings | undefined
  #trusted: BlockList | undefined
  #trustsUnix = false
  #waiting = 0
  #whenSettled: (() => void)[] = []

  constructor(components: IntakeComponents) {
    this.#c = components
  }

  set(settings: ProxySettings | undefined): void {
    if (settings === this.#settings) return
    this.#settings = settings
    this.#trusted = settings && subnetsOf(settings.from.filter((each) => each !== UNIX_PEER))
    this.#trustsUnix = settings?.from.includes(UNIX_PEER) === true
  }

  accept(socket: Socket, { unixMode }: Pick<ListenerAddress, 'unixMode'>): void {
    const settings = this.#settings
    if (settings === undefined || !this.#trusts(socket, unixMode !== undefined)) {
      if (unixMode !== undefined) setPeer(socket, UNIX_CLIENT)
      this.#c.onClient(socket)
      return
    }
    if (this.#waiting >= WAITING_MAX) {
      this.#c.stats.proxyFailures++
      socket.destroy()
      return
    }
    this.#waiting++
    // A shard that ends does not wait for those that are not clients yet.
    socket.unref()
    socket.on('error', () => socket.destroy())
    const limits = {
      bytesMax: PROXY_HEADER_BYTES_MAX,
      timeoutMs: settings.timeoutMs,
      what: 'the PROXY header',
    }
    readFirst(socket, limits, parsed, (header) => {
      if (header instanceof AriesError) this.#refuse(socket, header)
      else {
        socket.ref()
        if (header.peer) setPeer(socket, header.peer)
        else if (unixMode !== undefined) setPeer(socket, UNIX_CLIENT)
        this.#c.onClient(socket)
      }
      this.#left()
    })
  }

  /** Resolves when no header is waited for. */
  settled(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenSettled.push(resolve))
  }

  #trusts(socket: Socket, isUnix: boolean): boolean {
    if (isUnix) return this.#trustsUnix
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
    const family = isIP(address)
    return family !== 0 && this.#trusted!.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }

  #refuse(socket: Socket, { message }: AriesError): void {
    this.#c.stats.proxyFailures++
    this.#c.log.debug({ client: socket.remoteAddress, why: message }, 'PROXY header refused')
    socket.resetAndDestroy()
  }

  #left(): void {
    this.#waiting--
    if (this.#waiting > 0) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }
}

const UNIX_CLIENT: ProxiedPeer = {
  remoteAddress: UNIX_PEER,
  remotePort: 0,
  localAddress: UNIX_PEER,
  localPort: 0,
}

const peers = new WeakMap<Socket, ProxiedPeer>()

/** What `setPeer` said of the connection. */
export function knownPeer(socket: Socket): ProxiedPeer | undefined {
  return peers.get(socket)
}

/** The connection tells from now on that it comes from `peer`. */
export function setPeer(socket: Socket, peer: ProxiedPeer): void {
  peers.set(socket, peer)
  const own = (value: string | number) => ({ value, configurable: true })
  Object.defineProperties(socket, {
    remoteAddress: own(peer.remoteAddress),
    remotePort: own(peer.remotePort),
    localAddress: own(peer.localAddress),
    localPort: own(peer.localPort),
  })
}

function parsed(bytes: Buffer) {
  const header = parseProxyHeader(bytes)
  return header && { used: header.bytes, peer: header.peer }
}
