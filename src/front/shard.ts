/** One event loop of the front: takes clients, routes them, forwards. No gossip, no user code. */
import { toAriesError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { Owners, type OwnersInit } from '../owners.ts'
import { realWorld } from '../world.ts'
import { AccessLog } from './access-log.ts'
import { Balancing } from './balance/balancing.ts'
import { Board } from './board.ts'
import { Engines } from './engines.ts'
import type { ListenerAddress } from './listen.ts'
import { keyOf, Listeners } from './listeners.ts'
import { Meters } from './meters.ts'
import { emptyStats, type ShardStats, type SplicedBytes } from './metrics.ts'
import { Nodes } from './nodes.ts'
import { RoutePlanner } from './planner.ts'
import { RateTable } from './rate-table.ts'
import { Recorder } from './recorder.ts'
import { Resolver } from './resolver.ts'
import { RouteTable, type UpstreamAddress } from './routes.ts'
import { Sessions, type SessionsLimits } from './sessions.ts'
import type { FromShard, ShardConfig, ShardSetup, ToShard } from './shard-ipc.ts'
import { Shedder } from './shedder.ts'
import { TcpSplicer } from './tcp.ts'
import { TcpClients } from './tcp-clients.ts'
import { upstreamsOf } from './upstream-addresses.ts'
import type { Upstream } from './upstreams.ts'
import { WebSocketClients } from './websocket-clients.ts'

const STATS_INTERVAL_MS = 1_000

export interface ShardComponents {
  readonly log: Logger
  readonly post: (message: FromShard) => void
}

export class Shard {
  readonly #components: ShardComponents
  readonly #shard: number
  #config: ShardConfig
  readonly #stats: ShardStats = emptyStats()
  readonly #meters = new Meters()
  readonly #bytes: SplicedBytes = { in: 0, out: 0 }
  readonly #nodes: Nodes
  readonly #owners: Owners
  readonly #resolver: Resolver
  readonly #balancing: Balancing
  readonly #sessions: Sessions
  readonly #webSockets: WebSocketClients
  readonly #tcpClients: TcpClients
  readonly #planner: RoutePlanner
  readonly #shedder: Shedder
  readonly #accessLog: AccessLog
  readonly #recorder: Recorder
  readonly #engines: Engines
  readonly #tcp: TcpSplicer
  readonly #listeners: Listeners
  readonly #isFirst: boolean
  #reporting: NodeJS.Timeout | undefined

  /** Throws `ARIES_E_CONFIG` when the routes cannot be served. */
  constructor(components: ShardComponents, setup: ShardSetup) {
    const { log, post } = components
    const { random } = realWorld
    const { config } = setup
    const stats = this.#stats
    const meters = this.#meters
    const board = new Board(setup.board)
    const token = (): string => this.#config.token
    this.#components = components
    this.#config = config
    this.#isFirst = setup.shard === 0
    this.#nodes = new Nodes({ board, random })
    this.#nodes.set(setup.nodes)
    this.#resolver = new Resolver(
      { nodes: this.#nodes, onRefused: (node) => post({ type: 'refused', node }) },
      { token, connectTimeoutMs: config.front.connectTimeoutMs },
    )
    this.#owners = new Owners(
      { world: realWorld, resolve: (id, suspect) => this.#resolver.resolve(id, suspect) },
      ownersLimits(config),
    )
    const onUpstreamFailed = (url: string, why?: string): void =>
      post({ type: 'upstream-failed', url, why })
    const onPoolFailed = (node: string): void => post({ type: 'pool-failed', node })
    this.#balancing = new Balancing(
      {
        log,
        random,
        board,
        nodes: this.#nodes,
        stats,
        meters,
        onPoolFailed,
        onUpstreamFailed,
        onUpstreamInRow: (url, rule, count) => post({ type: 'upstream-in-row', url, rule, count }),
      },
      config.balance,
    )
    this.#balancing.upstreams.setRules(config.outliers)
    this.#shard = setup.shard
    this.#sessions = new Sessions(
      { log, owners: this.#owners, nodes: this.#nodes, stats },
      { front: setup.front, shard: setup.shard, boot: setup.boot },
      sessionsLimits(config),
    )
    this.#webSockets = new WebSocketClients(
      { log, sessions: this.#sessions, bytes: this.#bytes },
      config,
    )
    this.#tcpClients = new TcpClients({
      log,
      sessions: this.#sessions,
      bytes: this.#bytes,
      idleTimeoutMs: () => this.#config.front.tunnelIdleTimeoutMs,
    })
    this.#shedder = new Shedder(random, config.front.shedLagMs)
    const table = new RouteTable(config.routes)
    this.#balancing.upstreams.set(upstreamsOf(table, config.listeners), config.upstreamTls)
    for (const url of setup.unhealthy) this.#balancing.upstreams.setHealth(url, false)
    for (const { url, boundMs } of setup.draining) this.#balancing.upstreams.setDrain(url, boundMs)
    this.#planner = new RoutePlanner(
      {
        balancing: this.#balancing,
        workers: {
          owners: this.#owners,
          nodes: this.#nodes,
          stats,
          meters,
          token,
          timeoutMs: () => this.#config.front.ownerTimeoutMs,
        },
        webSockets: this.#webSockets,
        stats,
        meters,
        random,
        rates: new RateTable(setup.rates),
        shedder: this.#shedder,
      },
      { table, token: config.token, bodyLimits: config.bodyLimits, front: config.front },
    )
    this.#accessLog = new AccessLog({ log, random }, { front: setup.front, shard: setup.shard })
    this.#accessLog.set(config.accessLog)
    const { hooks } = this.#accessLog
    this.#recorder = new Recorder({ random }, { front: setup.front, shard: setup.shard })
    this.#recorder.set(config.front)
    this.#engines = new Engines(
      { planner: this.#planner, log, hooks, recorder: this.#recorder },
      setup,
      config.front,
    )
    const onFailed = (upstream: Upstream): void =>
      this.#balancing.failed(upstream, onUpstreamFailed)
    this.#tcp = new TcpSplicer({ log, random, stats, bytes: this.#bytes, onFailed }, config.front)
    this.#listeners = new Listeners(
      {
        log,
        stats,
        onGone: (listener) => this.#engines.listenerGone(listener),
        onClient: (socket, address) => {
          const { upstreams, worker, tls, http2, sni, sendProxy } = address
          if (worker !== undefined) this.#tcpClients.accept(socket, worker)
          else if (upstreams === undefined)
            this.#engines.accept(socket, http2 && tls === undefined, keyOf(address))
          else {
            const rules = sni?.map((rule) => ({ ...rule, upstreams: this.#known(rule.upstreams) }))
            this.#tcp.accept(socket, { upstreams: this.#known(upstreams), sni: rules, sendProxy })
          }
        },
      },
      { inherited: setup.inherited },
    )
  }

  /** Serves when it resolves; throws `ARIES_E_PORT_IN_USE`. */
  async start(): Promise<void> {
    await this.#listeners.set(this.#ownListeners(this.#config))
    this.#shedder.start()
    this.#reporting = setInterval(() => {
      this.#engines.sweep()
      this.report()
    }, STATS_INTERVAL_MS)
  }

  handle(message: Exclude<ToShard, { type: 'stop' | 'retire' }>): void {
    switch (message.type) {
      case 'config':
        void this.#reload(message.call, message.config)
        break
      case 'nodes':
        for (const { id, slot } of message.nodes) {
          if (this.#nodes.slotOf(id) === undefined) this.#balancing.renewNode(slot)
        }
        this.#nodes.set(message.nodes)
        break
      case 'down':
        this.#nodeDown(message)
        break
      case 'health':
        this.#balancing.upstreams.setHealth(message.url, message.healthy)
        break
      case 'drain':
        this.#balancing.upstreams.setDrain(message.url, message.boundMs)
        break
      case 'sockets':
        this.#components.post({ type: 'sockets', sockets: this.#listeners.sockets() })
        break
    }
  }

  #known(addresses: readonly UpstreamAddress[]): Upstream[] {
    return addresses.map(({ url }) => this.#balancing.upstreams.get(url))
  }

  /** A Unix socket cannot be shared out by the system: the first shard has them all. */
  #ownListeners({ listeners }: ShardConfig): readonly ListenerAddress[] {
    return this.#isFirst ? listeners : listeners.filter(({ unixMode }) => unixMode === undefined)
  }

  #nodeDown({ node, dead }: Extract<ToShard, { type: 'down' }>): void {
    const slot = this.#nodes.slotOf(node)
    if (slot !== undefined) this.#balancing.renewNode(slot)
    this.#sessions.nodeDown(node)
    if (!dead) return
    this.#resolver.nodeDown(node)
    this.#engines.targetDown(node)
  }

  /** Lets what runs finish, for at most `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    void this.#listeners.close()
    await this.#end(() => [
      this.#engines.close(graceMs),
      this.#sessions.close(graceMs),
      this.#tcp.close(graceMs),
    ])
  }

  /** Another process takes new clients: lets those here go to it, for at most `graceMs`. */
  async retire({ graceMs, spreadMs }: { graceMs: number; spreadMs: number }): Promise<void> {
    const untilMs = performance.now() + graceMs
    await this.#listeners.close(true)
    const leftMs = Math.max(0, untilMs - performance.now())
    await this.#end(() => [
      this.#engines.close(leftMs, true),
      this.#sessions.dismiss(Math.min(spreadMs, leftMs)).then(() => this.#sessions.close(leftMs)),
      this.#tcp.close(leftMs),
    ])
  }

  async #end(parts: () => Promise<void>[]): Promise<void> {
    await Promise.all(parts())
    clearInterval(this.#reporting)
    this.#shedder.stop()
    this.#webSockets.stop()
    this.#owners.close()
    this.#balancing.close()
    await Promise.all([this.#resolver.close(), this.#accessLog.close()])
    this.report()
  }

  report(): void {
    this.#engines.report(this.#stats)
    Object.assign(this.#stats, this.#owners.stats(), { queued: this.#balancing.lines.length })
    this.#stats.bytesIn += this.#bytes.in
    this.#stats.bytesOut += this.#bytes.out
    this.#components.post({ type: 'stats', stats: this.#stats, traffic: this.#meters.rows() })
    const recorded = this.#recorder.take()
    if (recorded !== undefined) {
      this.#components.post({ type: 'requests', shard: this.#shard, recorded })
    }
    const outcomes = this.#balancing.upstreams.outcomes()
    if (outcomes.length > 0) {
      this.#components.post({ type: 'outcomes', shard: this.#shard, outcomes })
    }
  }

  async #reload(call: number, config: ShardConfig): Promise<void> {
    const before = upstreamsOf(new RouteTable(this.#config.routes), this.#config.listeners)
    try {
      const table = new RouteTable(config.routes)
      this.#balancing.upstreams.setRules(config.outliers)
      const { upstreamTls } = config
      const wanted = upstreamsOf(table, config.listeners)
      this.#balancing.upstreams.set([...before, ...wanted], upstreamTls)
      await this.#listeners.set(this.#ownListeners(config))
      this.#balancing.upstreams.set(wanted, upstreamTls)
      this.#config = config
      this.#balancing.setLimits(config.balance)
      const { token, bodyLimits, front } = config
      this.#planner.setRoutes({ table, token, bodyLimits, front })
      this.#accessLog.set(config.accessLog)
      this.#recorder.set(config.front)
      this.#engines.setLimits(config.front)
      this.#shedder.setLagMax(config.front.shedLagMs)
      this.#tcp.setLimits(config.front)
      this.#owners.setLimits(ownersLimits(config))
      this.#sessions.setLimits(sessionsLimits(config))
      this.#webSockets.setLimits(config)
      this.#components.post({ type: 'done', call })
    } catch (thrown) {
      this.#balancing.upstreams.set(before, this.#config.upstreamTls)
      this.#components.post({ type: 'failed', call, error: toAriesError(thrown).toBody() })
    }
  }
}

function ownersLimits({ front }: ShardConfig): OwnersInit {
  return {
    waitingMax: front.waitingMax,
    timeoutMs: front.ownerTimeoutMs,
    settings: { waitingMax: 'front.waitingMax', timeoutMs: 'front.ownerTimeoutMs' },
  }
}

function sessionsLimits({ front, token }: ShardConfig): SessionsLimits {
  const { connectionsMax, connectTimeoutMs, ownerTimeoutMs } = front
  return { token, connectionsMax, connectTimeoutMs, ownerTimeoutMs }
}
