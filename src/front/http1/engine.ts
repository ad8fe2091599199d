import type { Socket } from 'node:net'
import type { ConfigFile } from '../../config/schema.ts'
import { AriesError } from '../../errors.ts'
import { Deadlines } from '../../http1/deadlines.ts'
import type { Logger } from '../../log.ts'
import { HEADER } from '../../wire.ts'
import { realWorld } from '../../world.ts'
import { Http2Connection } from '../http2/client-session.ts'
import { detectHttp2, isHttp2 } from '../http2/detect.ts'
import type { Planner } from '../plan.ts'
import type { Recorder } from '../recorder.ts'
import { timesOf } from '../route-terms.ts'
import { ClientConnection, type ClientHome, type ClientLink } from './client-connection.ts'
import type { EngineContext } from './context.ts'
import { Forwarding } from './forwarding.ts'
import { fieldLines, replyHeadText } from './head-edit.ts'
import { Marks } from './marks.ts'
import { errorReply } from './reply.ts'
import { type EngineHooks, type EngineStats, emptyStats } from './stats.ts'
import type { Tunnel } from './tunnel.ts'
import { UpstreamPools } from './upstream-pools.ts'

export interface Http1EngineComponents {
  readonly planner: Planner
  readonly log: Logger
  readonly hooks?: EngineHooks
  readonly recorder?: Recorder
}

/** Its limits, and who it says it is. */
export interface Http1EngineInit extends Readonly<ConfigFile['front']> {
  /** `aries-node` of the answers that name no node: the id of the front. Without it, none. */
  readonly front?: string
}

/** The reverse proxy's HTTP/1.1 side: takes client sockets, asks the planner, forwards. */
export class Http1Engine implements ClientHome {
  readonly #context: EngineContext
  /** With the listener that they came to. */
  readonly #clients = new Map<ClientLink, string>()
  readonly #tunnels = new Set<Tunnel>()
  /** Clients that have not shown yet which version they speak. */
  #detecting = 0
  readonly #detected = (): void => {
    this.#detecting--
  }
  #isOver = false
  #whenEmpty: (() => void)[] = []

  constructor(components: Http1EngineComponents, init: Http1EngineInit) {
    const deadlines = new Deadlines()
    const stats = emptyStats()
    const nodePairs = init.front === undefined ? [] : [[HEADER.node, init.front] as const]
    this.#context = {
      planner: components.planner,
      log: components.log,
      hooks: components.hooks,
      init,
      bodyLimit: { bytesMax: init.bodyBytesMax, setting: 'front.bodyBytesMax' },
      times: timesOf(init),
      nodeLine: fieldLines(nodePairs),
      nodePairs,
      forwarding: new Forwarding(init.trustedProxies),
      marks: Marks.of(realWorld, init),
      recorder: components.recorder,
      deadlines,
      stats,
      pools: new UpstreamPools({ deadlines, stats }, init),
      keptBytes: 0,
      closing: false,
    }
  }

  /**
   * Takes over a fresh client connection; nothing of it may have been read. `priorKnowledge`: it may
   * speak HTTP/2 without having agreed on it in a TLS handshake. `listener`: for `listenerGone`.
   */
  accept(socket: Socket, priorKnowledge = false, listener = ''): void {
    if (!priorKnowledge || this.#isFull) {
      this.#accept(socket, isHttp2(socket), listener)
      return
    }
    const { headTimeoutMs } = this.#context.init
    this.#detecting++
    socket.once('close', this.#detected)
    detectHttp2(socket, headTimeoutMs, (seen, http2) => {
      seen.off('close', this.#detected)
      this.#detected()
      this.#accept(seen, http2, listener)
    })
  }

  get #isFull(): boolean {
    return this.#clients.size + this.#detecting >= this.#context.init.connectionsMax
  }

  #accept(socket: Socket, http2: boolean, listener: string): void {
    const { stats, init } = this.#context
    if (this.#isOver || socket.destroyed) {
      socket.destroy()
      return
    }
    if (this.#isFull) {
      stats.connectionsRefused++
      refuse(socket, init.connectionsMax, this.#context.nodeLine)
      return
    }
    stats.connectionsTotal++
    const Connection = http2 ? Http2Connection : ClientConnection
    this.#clients.set(new Connection(this.#context, socket, this), listener)
    stats.connectionsOpen = this.#clients.size
  }

  /**
   * Closes idle connections, lets exchanges in flight finish with `Connection: close`, and cuts
   * what is left after `graceMs`, tunnels included. Connections that were taken are not its own.
   * `gently`: an idle connection stays for one more request, for its client may just be sending it.
   */
  async close(graceMs: number, gently = false): Promise<void> {
    const context = this.#context
    context.closing = true
    this.#isOver = !gently
    context.pools.close()
    for (const client of this.#clients.keys()) client.shutDown(gently)
    if (this.#clients.size + this.#tunnels.size > 0) await this.#emptied(graceMs)
    context.pools.destroy()
    context.deadlines.stop()
  }

  /**
   * Clients of HTTP/2 that came to `listener` hear GOAWAY: what runs is finished, and what comes next
   * goes over a new connection. Those of HTTP/1.1 stay: they cannot be told without an answer.
   */
  listenerGone(listener: string): void {
    for (const [client, own] of this.#clients) if (own === listener) client.shutDown(true)
  }

  /** Gossip found the target dead: requests that are safe to repeat leave it, and none goes there. */
  targetDown(id: string): void {
    this.#context.pools.targetDown(id)
  }

  stats(): EngineStats {
    const { stats } = this.#context
    return { ...stats, byStatusClass: [...stats.byStatusClass], errors: { ...stats.errors } }
  }

  left(connection: ClientLink): void {
    this.#clients.delete(connection)
    this.#context.stats.connectionsOpen = this.#clients.size
    this.#checkEmpty()
  }

  tunnelBegan(tunnel: Tunnel): void {
    this.#tunnels.add(tunnel)
  }

  tunnelEnded(tunnel: Tunnel): void {
    this.#tunnels.delete(tunnel)
    this.#checkEmpty()
  }

  #emptied(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const client of this.#clients.keys()) client.destroy()
        for (const tunnel of this.#tunnels) tunnel.destroy()
      }, graceMs)
      this.#whenEmpty.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #checkEmpty(): void {
    if (this.#clients.size + this.#tunnels.size > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}

/** One small answer without a parser behind it: it must cost less than what it refuses. */
function refuse(socket: Socket, connectionsMax: number, nodeLine: string): void {
  const reply = errorReply(
    new AriesError('ARIES_E_OVERLOADED', `more than front.connectionsMax (${connectionsMax})`),
  )
  socket.on('error', () => socket.destroy())
  socket.end(
    replyHeadText(reply.status, reply.headers, reply.body.length, undefined, true, nodeLine) +
      String(reply.body),
    () => socket.destroy(),
  )
}
