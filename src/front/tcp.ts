/** Raw TCP: a client's connection spliced with one to an upstream. */
import { connect, type Socket } from 'node:net'
import { AriesError } from '../errors.ts'
import { onread, setReader } from '../http1/read-buffer.ts'
import type { Logger } from '../log.ts'
import type { Random } from '../world.ts'
import { leastInFlight } from './balance/upstreams.ts'
import { CLIENT_HELLO_BYTES_MAX, type ClientHello, parseClientHello } from './client-hello.ts'
import { readFirst } from './first-bytes.ts'
import type { SniRule } from './listen.ts'
import type { ShardStats, SplicedBytes } from './metrics.ts'
import { type ProxiedPeer, type ProxyVersion, proxyHeader } from './proxy-protocol.ts'
import type { Upstream } from './upstreams.ts'

export interface TcpComponents {
  readonly log: Logger
  readonly random: Random
  readonly stats: ShardStats
  readonly bytes: SplicedBytes
  readonly onFailed: (upstream: Upstream) => void
}

export interface TcpLimits {
  readonly connectionsMax: number
  readonly connectTimeoutMs: number
  /** For the ClientHello of listeners that go by it. */
  readonly headTimeoutMs: number
  readonly tunnelIdleTimeoutMs: number
}

/** Where the connections of a TCP listener go. */
export interface TcpListener {
  readonly upstreams: readonly Upstream[]
  /** By the server that a TLS client names; `upstreams` are then for the rest. */
  readonly sni: readonly SniRoute[] | undefined
  readonly sendProxy: ProxyVersion | undefined
}

export interface SniRoute extends Omit<SniRule, 'upstreams'> {
  readonly upstreams: readonly Upstream[]
}

/** A fatal alert, unrecognized_name (RFC 6066 §3). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])

/**
 * Takes connections of TCP listeners. Each goes to the upstream with the fewest; when it cannot be
 * connected, to the next. Both directions end on their own (half-close), and a slow reader slows
 * its writer.
 */
export class TcpSplicer {
  readonly #components: TcpComponents
  #limits: TcpLimits
  readonly #clients = new Set<Socket>()

  constructor(components: TcpComponents, limits: TcpLimits) {
    this.#components = components
    this.#limits = limits
  }

  setLimits(limits: TcpLimits): void {
    this.#limits = limits
  }

  /** `client`: fresh, with `allowHalfOpen`. */
  accept(client: Socket, listener: TcpListener): void {
    const { stats, bytes } = this.#components
    if (this.#clients.size >= this.#limits.connectionsMax) {
      client.resetAndDestroy()
      return
    }
    this.#clients.add(client)
    stats.tcpConnections += 1
    stats.tcpConnectionsTotal += 1
    client.on('error', () => client.destroy())
    client.once('close', () => {
      this.#clients.delete(client)
      stats.tcpConnections -= 1
      bytes.in += client.bytesRead
      bytes.out += client.bytesWritten
    })
    client.pause()
    const { sni, upstreams, sendProxy } = listener
    if (sni === undefined) this.#connect(client, upstreams, sendProxy, new Set())
    else this.#route(client, sni, listener)
  }

  /** Goes by the server that the client names. */
  #route(client: Socket, sni: readonly SniRoute[], listener: TcpListener): void {
    const limits = {
      bytesMax: CLIENT_HELLO_BYTES_MAX,
      timeoutMs: this.#limits.headTimeoutMs,
      what: 'the ClientHello',
    }
    readFirst(client, limits, helloIn, (hello) => {
      if (client.destroyed) return
      const isHere = !(hello instanceof AriesError)
      const rule = isHere ? sni.find((each) => fits(each, hello)) : undefined
      const upstreams = rule?.upstreams ?? listener.upstreams
      if (upstreams.length > 0 && isHere) {
        this.#connect(client, upstreams, listener.sendProxy, new Set())
        return
      }
      this.#components.stats.sniFailures += 1
      if (isHere && hello.isTls) client.end(UNRECOGNIZED_NAME, () => client.destroySoon())
      else client.resetAndDestroy()
    })
  }

  /** Waits at most `graceMs` for the connections to end, then cuts them. */
  async close(graceMs: number): Promise<void> {
    const cut = setTimeout(() => {
      for (const client of this.#clients) client.resetAndDestroy()
    }, graceMs)
    await Promise.all(
      [...this.#clients].map((client) => new Promise((done) => client.once('close', done))),
    )
    clearTimeout(cut)
  }

  #connect(
    client: Socket,
    upstreams: readonly Upstream[],
    sendProxy: ProxyVersion | undefined,
    tried: Set<Upstream>,
  ): void {
    const { log, random, onFailed } = this.#components
    const upstream = leastInFlight(upstreams, random, tried)
    if (upstream === undefined) {
      log.warn({ client: client.remoteAddress }, 'no upstream takes the TCP connection')
      client.resetAndDestroy()
      return
    }
    const { host, port, socketPath } = upstream.address
    const place = socketPath === undefined ? { host, port } : { path: socketPath }
    const at = { ...place, allowHalfOpen: true, noDelay: true }
    const server: Socket = connect({ ...at, onread: onread(() => server) })
    const { meter } = upstream
    upstream.begin()
    meter.came()
    meter.attempted()
    meter.opening()
    const startedMs = performance.now()
    let connected = false
    const abandon = (): void => void server.destroy()
    const timer = setTimeout(abandon, this.#limits.connectTimeoutMs)
    client.once('close', abandon)
    server.once('connect', () => {
      connected = true
      meter.opened(performance.now() - startedMs)
      clearTimeout(timer)
      if (sendProxy) server.write(proxyHeader(sendProxy, peerOf(client)))
      this.#splice(client, server)
    })
    server.on('error', abandon)
    server.once('close', () => {
      clearTimeout(timer)
      client.off('close', abandon)
      upstream.end()
      meter.left()
      meter.closed()
      meter.sent(server.bytesWritten)
      meter.received(server.bytesRead)
      if (connected || client.destroyed) {
        client.destroy()
        return
      }
      meter.connectFailed()
      onFailed(upstream)
      this.#connect(client, upstreams, sendProxy, tried.add(upstream))
    })
  }

  #splice(client: Socket, server: Socket): void {
    client.setTimeout(this.#limits.tunnelIdleTimeoutMs, () => client.destroy())
    pass(client, server)
    pass(server, client)
  }
}

/** What `from` sends, and its end, to `to`, which holds it back while it does not take it. */
function pass(from: Socket, to: Socket): void {
  const write = (chunk: Buffer): void => {
    if (!to.write(chunk)) from.pause()
  }
  if (!setReader(from, write)) from.on('data', write)
  to.on('drain', () => from.resume())
  from.on('end', () => to.end())
  from.resume()
}

/** All of it is put back. What is no ClientHello names no server. */
function helloIn(bytes: Buffer): (ClientHello & { isTls: boolean; used: number }) | undefined {
  try {
    const hello = parseClientHello(bytes)
    return hello && { ...hello, isTls: true, used: 0 }
  } catch {
    return { serverName: undefined, alpn: [], isTls: false, used: 0 }
  }
}

function fits({ names, alpn }: SniRoute, hello: ClientHello): boolean {
  const { serverName } = hello
  if (serverName === undefined) return false
  if (alpn !== undefined && !alpn.some((each) => hello.alpn.includes(each))) return false
  const parent = `*${serverName.slice(serverName.indexOf('.'))}`
  return names.some((name) => name === serverName || name === parent)
}

/** Undefined when it has gone. */
function peerOf(client: Socket): ProxiedPeer | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = client
  if (remoteAddress === undefined || localAddress === undefined) return undefined
  return { remoteAddress, remotePort: remotePort ?? 0, localAddress, localPort: localPort ?? 0 }
}
