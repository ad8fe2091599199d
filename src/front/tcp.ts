/** Raw TCP: a client's connection spliced with one to an upstream. */
import { connect, type Socket } from 'node:net'
import type { Logger } from '../log.ts'
import type { Random } from '../world.ts'
import { leastInFlight } from './balance/upstreams.ts'
import { onread, setReader } from './http1/read-buffer.ts'
import type { ShardStats, SplicedBytes } from './metrics.ts'
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
  readonly tunnelIdleTimeoutMs: number
}

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
  accept(client: Socket, upstreams: readonly Upstream[]): void {
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
    this.#connect(client, upstreams, new Set())
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

  #connect(client: Socket, upstreams: readonly Upstream[], tried: Set<Upstream>): void {
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
    upstream.begin()
    let connected = false
    const abandon = (): void => void server.destroy()
    const timer = setTimeout(abandon, this.#limits.connectTimeoutMs)
    client.once('close', abandon)
    server.once('connect', () => {
      connected = true
      clearTimeout(timer)
      this.#splice(client, server)
    })
    server.on('error', abandon)
    server.once('close', () => {
      clearTimeout(timer)
      client.off('close', abandon)
      upstream.end()
      if (connected || client.destroyed) {
        client.destroy()
        return
      }
      onFailed(upstream)
      this.#connect(client, upstreams, tried.add(upstream))
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
