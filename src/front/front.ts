/**
 * The front of a process. Its main thread gossips, keeps the board and the health of the upstreams;
 * its shards, a thread each, serve the clients. No byte of a client passes the main thread.
 */
import { closeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dataTokens } from '../auth.ts'
import type { Config } from '../config/schema.ts'
import type { Member, MemberChange, Membership } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import { MESSAGE_BYTES_MAX } from '../session-frames.ts'
import type { World } from '../world.ts'
import { checkAccessFile } from './access-file.ts'
import { Board } from './board.ts'
import { BoardWriter } from './board-writer.ts'
import { Certificates } from './certificates.ts'
import type { Inheritance, ListeningSocket } from './handover.ts'
import { type ListenerAddress, listenerKey, parseListener, probe } from './listen.ts'
import type { TrafficSum } from './meters.ts'
import type { FrontStats } from './metrics.ts'
import { RateTable } from './rate-table.ts'
import { RecordedRequests } from './recorded-requests.ts'
import { RouteTable } from './routes.ts'
import type { FromShard, ShardConfig } from './shard-ipc.ts'
import { Shards } from './shards.ts'
import { SpanExporter } from './span-exporter.ts'
import { UpstreamStates } from './upstream-states.ts'

export interface FrontComponents {
  readonly log: Logger
  readonly world: World
  /** The front starts it and leaves with it. */
  readonly membership: Membership
  /** A crashed shard was started again. */
  readonly onRestart?: (shard: number) => void
}

export interface FrontInit {
  readonly config: Config
  /** Id of this front in the map. */
  readonly id: string
  /** Of the process that this one takes the place of. Then gossip is not started by the front. */
  readonly inheritance?: Inheritance | undefined
}

/** Prices on the board change with the age of the news: written this often. */
const BOARD_INTERVAL_MS = 50

export class Front {
  readonly #components: FrontComponents
  readonly #id: string
  #config: Config
  #listeners: ListenerAddress[] = []
  readonly #board = new Board()
  readonly #rates = new RateTable()
  readonly #writer: BoardWriter
  readonly #certificates: Certificates
  /** Of the upstreams. */
  readonly states: UpstreamStates
  /** Requests that were written down. */
  readonly requests = new RecordedRequests()
  readonly spans: SpanExporter
  readonly #shards: Shards
  readonly #inheritance: Inheritance | undefined
  #refreshing: NodeJS.Timeout | undefined
  #unsubscribe: () => void = () => {}
  /** Changes of the configuration are applied one after the other. */
  #changing: Promise<void> = Promise.resolve()

  constructor(components: FrontComponents, init: FrontInit) {
    const { log, world } = components
    this.#components = components
    this.#id = init.id
    this.#config = init.config
    this.#writer = new BoardWriter({ board: this.#board, log })
    this.#inheritance = init.inheritance
    this.requests.setKeep(keptOf(init.config))
    this.spans = new SpanExporter({ log, world }, { front: init.id })
    this.spans.set(init.config.front.trace?.export)
    this.#certificates = new Certificates(
      { log, changed: () => this.#newCertificates() },
      { ticketKeys: init.inheritance?.ticketKeys },
    )
    this.states = new UpstreamStates(
      { log, world, tell: (message) => this.#shards.broadcast(message) },
      init.inheritance,
    )
    this.#shards = new Shards(
      {
        log,
        world,
        onMessage: (message) => this.#hear(message),
        onRestart: (shard) => {
          this.states.shardEnded(shard)
          components.onRestart?.(shard)
        },
      },
      {
        count: shardsOf(init.config),
        inherited: init.inheritance?.sockets ?? [],
        setup: () => ({
          front: this.#id,
          board: this.#board.buffer,
          rates: this.#rates.buffer,
          nodes: this.#writer.views(components.membership.members()),
          unhealthy: this.states.unhealthy(),
          draining: this.states.draining(),
          config: this.#shardConfig(this.#config, this.#listeners),
        }),
      },
    )
  }

  /**
   * Serves when it resolves. Rejects with `ARIES_E_PORT_IN_USE`, naming the listener, or with
   * `ARIES_E_CONFIG`; then nothing is left running.
   */
  async start(): Promise<void> {
    const { membership } = this.#components
    const { routes, listeners, accessLog } = this.#config
    const table = new RouteTable(routes)
    if (accessLog) await checkAccessFile(accessLog.file)
    await this.#certificates.load(this.#config)
    const inherited = this.#inheritance
    const ports = new Map(inherited?.sockets.map(({ listener, port }) => [listener, port]))
    this.#listeners = await probeNew(listeners.map(parseListener), ports)
    closeUnused(inherited?.sockets ?? [], this.#listeners)
    if (!inherited) await membership.start()
    try {
      this.#refreshBoard()
      this.#unsubscribe = membership.onChange((change) => this.#memberChanged(change))
      await this.#shards.start()
    } catch (thrown) {
      this.#unsubscribe()
      if (!inherited) await membership.leave()
      throw thrown
    }
    this.#certificates.start()
    this.states.set(table, this.#listeners, this.#config, this.#certificates.upstreams)
    this.#refreshing = setInterval(() => this.#refreshBoard(), BOARD_INTERVAL_MS)
  }

  /**
   * Routes, upstreams, limits and listeners from now on. No connection is closed: those taken at a
   * listener that is gone go on. Rejects like `start`, and then nothing of it is applied.
   */
  setConfig(config: Config): Promise<void> {
    const changed = this.#changing.then(() => this.#apply(config))
    this.#changing = changed.catch(() => {})
    return changed
  }

  /**
   * What the process that takes this one's place is to have. Changes of the configuration wait until
   * `unlock`, so that the sockets stay what they are.
   */
  async bequeath(): Promise<{ inheritance: Inheritance; unlock: () => void }> {
    const { promise, resolve: unlock } = Promise.withResolvers<void>()
    const before = this.#changing
    this.#changing = promise
    await before
    const inheritance = {
      sockets: await this.#shards.sockets(),
      members: this.#components.membership.members(),
      unhealthy: this.states.unhealthy(),
      draining: this.states.draining(),
      ticketKeys: this.#certificates.ticketKeys,
    }
    return { inheritance, unlock }
  }

  /** Another process takes new clients. Those here are let go to it; at the latest `stop` ends them. */
  async retire(): Promise<void> {
    const { handoverTimeoutMs: graceMs, handoverSpreadMs: spreadMs } = this.#config.front
    this.#certificates.stop()
    await this.#shards.retire({ graceMs, spreadMs })
    await this.#end()
  }

  /** Shortens `retire` to `front.drainTimeoutMs`. */
  async cut(): Promise<void> {
    await this.#shards.stop(this.#config.front.drainTimeoutMs)
  }

  /** Finishes what runs for at most `front.drainTimeoutMs`, then ends all. */
  async stop(): Promise<void> {
    await this.#changing
    await this.#shards.stop(this.#config.front.drainTimeoutMs)
    await this.#end()
    await this.#components.membership.leave()
  }

  async #end(): Promise<void> {
    clearInterval(this.#refreshing)
    this.#unsubscribe()
    this.#certificates.stop()
    await Promise.all([this.states.stop(), this.spans.stop()])
  }

  /** Where it listens, in the order of the configuration; ports that were chosen filled in. */
  addresses(): readonly ListenerAddress[] {
    return this.#listeners
  }

  /** At most about a second old. */
  stats(): FrontStats {
    return this.#shards.stats()
  }

  /** Likewise, of each route and target. */
  traffic(): TrafficSum {
    return this.#shards.traffic()
  }

  async #apply(config: Config): Promise<void> {
    const table = new RouteTable(config.routes)
    if (config.accessLog) await checkAccessFile(config.accessLog.file)
    const open = new Map(this.#listeners.map((each) => [listenerKey(each), each.port]))
    const listeners = await probeNew(config.listeners.map(parseListener), open)
    const before = this.#shardConfig(this.#config, this.#listeners)
    await this.#certificates.load(config)
    if (shardsOf(config) !== shardsOf(this.#config)) {
      this.#components.log.warn('front.shards takes effect at the next start')
    }
    try {
      await this.#shards.configure(this.#shardConfig(config, listeners), before)
    } catch (thrown) {
      await this.#certificates.load(this.#config)
      throw thrown
    }
    this.#config = config
    this.#listeners = listeners
    this.requests.setKeep(keptOf(config))
    this.spans.set(config.front.trace?.export)
    this.states.set(table, listeners, config, this.#certificates.upstreams)
  }

  #newCertificates(): void {
    const apply = async (): Promise<void> => {
      const config = this.#shardConfig(this.#config, this.#listeners)
      await this.#shards.configure(config, config)
      const table = new RouteTable(this.#config.routes)
      this.states.set(table, this.#listeners, this.#config, this.#certificates.upstreams)
    }
    this.#changing = this.#changing.then(apply).catch((error: unknown) => {
      this.#components.log.error({ err: error }, 'new certificates are not in use')
    })
  }

  #shardConfig(config: Config, listeners: readonly ListenerAddress[]): ShardConfig {
    const { terms, upstreams } = this.#certificates
    return {
      listeners: listeners.map((listener) => ({ ...listener, tls: terms.get(listener.name) })),
      routes: config.routes,
      upstreamTls: upstreams,
      front: config.front,
      accessLog: config.accessLog,
      bodyLimits: {
        task: { bytesMax: config.pool.bodyBytesMax, setting: 'pool.bodyBytesMax' },
        worker: { bytesMax: config.host.bodyBytesMax, setting: 'host.bodyBytesMax' },
      },
      messageBytesMax: Math.min(config.host.messageBytesMax, MESSAGE_BYTES_MAX),
      balance: config.balance,
      outliers: config.outliers,
      token: dataTokens(config.keys)[0] ?? '',
      logLevel: config.log.level,
    }
  }

  #refreshBoard(): void {
    this.#writer.refresh(this.#components.membership.members(), performance.now())
  }

  #memberChanged({ member }: MemberChange): void {
    this.#refreshBoard()
    const nodes = this.#writer.views([member])
    if (nodes.length > 0) this.#shards.broadcast({ type: 'nodes', nodes })
    if (!isDown(member)) return
    const dead = member.state === 'unreachable'
    this.#shards.broadcast({ type: 'down', node: member.id, dead })
  }

  #hear(message: FromShard): void {
    switch (message.type) {
      case 'refused':
        this.#components.membership.reportRefused(message.node)
        break
      case 'pool-failed':
        this.#writer.failed(message.node, performance.now())
        this.#refreshBoard()
        break
      case 'requests':
        this.requests.add(message.shard, message.recorded.explained)
        this.spans.add(message.recorded.exported, message.recorded.dropped)
        break
      case 'upstream-failed':
      case 'upstream-in-row':
      case 'outcomes':
        this.states.hear(message)
        break
    }
  }
}

function isDown({ role, state }: Member): boolean {
  return role === 'node' && (state === 'unreachable' || state === 'left')
}

function keptOf({ front }: Config): number {
  return front.explain?.keep ?? 0
}

function shardsOf({ front }: Config): number {
  return front.shards ?? Math.max(1, Math.floor(availableParallelism() / 2))
}

/** `wanted` with the ports of those that are open already; the others are free. */
async function probeNew(
  wanted: readonly ListenerAddress[],
  open: ReadonlyMap<string, number>,
): Promise<ListenerAddress[]> {
  const probed = await probe(wanted.filter((listener) => !open.has(listenerKey(listener))))
  const fresh = new Map(probed.map((listener) => [listenerKey(listener), listener.port]))
  return wanted.map((listener) => {
    const key = listenerKey(listener)
    return { ...listener, port: open.get(key) ?? fresh.get(key) ?? listener.port }
  })
}

/** Sockets of listeners that the configuration has no more. */
function closeUnused(
  inherited: readonly ListeningSocket[],
  listeners: readonly ListenerAddress[],
): void {
  const used = new Set(listeners.map(listenerKey))
  for (const { listener, fd } of inherited) if (!used.has(listener)) closeSync(fd)
}
