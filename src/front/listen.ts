/** Addresses to listen on: parsing them, and finding out whether they are free. */
import { createServer, type Server } from 'node:net'
import { unixPath } from '../config/address.ts'
import { moduleName } from '../config/module-name.ts'
import type { Listener } from '../config/schema.ts'
import { AriesError } from '../errors.ts'
import { listenOn } from '../listen.ts'
import { randomInt, realWorld } from '../world.ts'
import type { TlsTerms } from './certificates.ts'
import type { ProxyVersion } from './proxy-protocol.ts'
import { type UpstreamAddress, upstreamAddress } from './routes.ts'
import { checkPath, listenAtPath } from './unix-socket.ts'

export interface ListenerAddress {
  /** As the configuration writes it, e.g. `127.0.0.1:8080`: its name in messages. */
  readonly name: string
  /** Of a Unix socket its path. */
  readonly host: string
  readonly port: number
  /** Of a Unix socket: its permissions. Undefined: it is no Unix socket. */
  readonly unixMode: number | undefined
  /** Whom a PROXY header is believed. */
  readonly proxies: ProxySettings | undefined
  /** The servers behind a TCP listener by the name that a TLS client gives. */
  readonly sni: readonly SniRule[] | undefined
  /** Tells the servers behind a TCP listener of the client. */
  readonly sendProxy: ProxyVersion | undefined
  /** Servers behind a TCP listener; undefined: there are none. */
  readonly upstreams: readonly UpstreamAddress[] | undefined
  /** The worker behind a TCP listener. */
  readonly worker: WorkerListener | undefined
  /** Undefined: what comes is not encrypted. */
  readonly tls: TlsTerms | undefined
  /** Whether HTTP/2 is spoken: with TLS by agreement, without by prior knowledge. */
  readonly http2: boolean
}

export type ProxySettings = NonNullable<Listener['proxyProtocol']>

/** Where TLS clients go that name one of these servers. */
export interface SniRule {
  readonly names: readonly string[]
  /** One of these has to be offered; undefined: whatever is. */
  readonly alpn: readonly string[] | undefined
  readonly upstreams: readonly UpstreamAddress[]
}

/** Which worker a raw connection leads to. */
export interface WorkerListener {
  readonly class: string
  /** Its key, with `:address` for the client's address and `:port` for the listener's port. */
  readonly key: string
}

/** Tells listeners apart that have the same address, before and after a change. */
export function protocolOf({
  upstreams,
  worker,
}: Pick<ListenerAddress, 'upstreams' | 'worker'>): 'http' | 'tcp' {
  return upstreams === undefined && worker === undefined ? 'http' : 'tcp'
}

/** The same listener before and after a change, and in another process: a TCP one may have other upstreams. */
export function listenerKey(
  address: Pick<ListenerAddress, 'name' | 'upstreams' | 'worker'>,
): string {
  return `${protocolOf(address)} ${address.name}`
}

/**
 * Throws `ARIES_E_CONFIG` unless the listener is at `host:port` (port 0: any that is free). Its TLS is
 * for `Certificates` to add.
 */
export function parseListener(listener: Listener): ListenerAddress {
  const name = 'http' in listener ? listener.http : listener.tcp
  const path = unixPath(name)
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(name)
  const port = path === undefined ? Number(match?.[3]) : 0
  if (path === undefined && (match === null || port > 65_535)) {
    throw new AriesError('ARIES_E_CONFIG', `listener "${name}" is not host:port`)
  }
  const upstreams =
    'upstreams' in listener
      ? listener.upstreams.map((url) => upstreamAddress(url, 'tcp'))
      : undefined
  const worker =
    'worker' in listener ? { class: moduleName(listener.worker), key: listener.key } : undefined
  const http2 = 'http' in listener && (listener.http2 ?? listener.tls !== undefined)
  const sni =
    'sni' in listener
      ? listener.sni.map(({ names, alpn, upstreams: urls }) => ({
          names,
          alpn,
          upstreams: urls.map((url) => upstreamAddress(url, 'tcp')),
        }))
      : undefined
  return {
    name,
    host: path ?? (match?.[1] ?? match?.[2])!,
    port,
    unixMode: path === undefined ? undefined : Number.parseInt(listener.mode ?? '660', 8),
    proxies: listener.proxyProtocol,
    sni,
    sendProxy: 'sendProxyProtocol' in listener ? listener.sendProxyProtocol : undefined,
    upstreams,
    worker,
    tls: undefined,
    http2,
  }
}

/** Listens, or throws `ARIES_E_PORT_IN_USE` or `ARIES_E_CONFIG` with the listener's name. */
export function listen(
  server: Server,
  address: Pick<ListenerAddress, 'host' | 'port' | 'unixMode'>,
  reusePort: boolean,
): Promise<void> {
  const { host, port, unixMode } = address
  if (unixMode !== undefined) return listenAtPath(server, host, unixMode)
  return listenOn(server, { host, port, reusePort, backlog: 1_024 }, 'listener')
}

/** Below what systems give to outgoing connections (RFC 6335; Linux: from 32768), above the fixed ones. */
const FREE_PORTS = { first: 10_000, count: 22_000 }
const ATTEMPTS_MAX = 50

/**
 * Makes sure that all `addresses` are free, and chooses a port where it is 0. Shards share their
 * ports (`SO_REUSEPORT`), and with that the system lets two fronts of one user share them too: only
 * an attempt without it tells that another process is there.
 */
export async function probe(addresses: readonly ListenerAddress[]): Promise<ListenerAddress[]> {
  const servers: Server[] = []
  try {
    const probed: ListenerAddress[] = []
    for (const address of addresses) {
      if (address.unixMode !== undefined) {
        await checkPath(address.host)
        probed.push(address)
        continue
      }
      const server = createServer()
      probed.push(await (address.port === 0 ? listenAnywhere : listenThere)(server, address))
      servers.push(server)
    }
    return probed
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  }
}

async function listenThere(server: Server, address: ListenerAddress): Promise<ListenerAddress> {
  await listen(server, address, false)
  return address
}

/**
 * Not the system's choice of port: that is one of those that it gives to outgoing connections, and
 * one of these could take it before the shards do.
 */
async function listenAnywhere(server: Server, address: ListenerAddress): Promise<ListenerAddress> {
  for (let attempt = 1; ; attempt++) {
    const port = FREE_PORTS.first + randomInt(realWorld.random, FREE_PORTS.count)
    try {
      return await listenThere(server, { ...address, port })
    } catch (thrown) {
      const { code } = thrown as AriesError
      if (code !== 'ARIES_E_PORT_IN_USE' || attempt === ATTEMPTS_MAX) throw thrown
    }
  }
}
