import { dataToken } from '../auth.ts'
import type { ResolveAsk } from '../calls/resolves.ts'
import { longestTurnMs } from '../config/classes.ts'
import { restartNote } from '../config/restart.ts'
import type { Config, NodeEntry } from '../config/schema.ts'
import type { Gossip } from '../gossip/gossip.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import { MapHandover } from '../map-handover.ts'
import { Peers } from '../peers.ts'
import type { DrainReport, NodeStatusInfo } from '../rpc.ts'
import type { Store } from '../store/store.ts'
import { VERSION } from '../version.ts'
import type { TimerHandle, World } from '../world.ts'
import { AlarmScan } from './alarm-scan.ts'
import { Balancer } from './balancer.ts'
import { nodeCalls } from './calls.ts'
import { Drain } from './drain.ts'
import { HostClient } from './host-client.ts'
import { HostWatch } from './host-watch.ts'
import { Lease } from './lease.ts'
import { LoadMeter } from './load-meter.ts'
import type { NodeFigures } from './metrics.ts'
import { Mover } from './mover.ts'
import { Ownership } from './ownership.ts'
import { Placer } from './placer.ts'
import { PoolClient } from './pool-client.ts'
import { RpcServer } from './rpc-server.ts'
import { Takeover } from './takeover.ts'
import { Voucher } from './voucher.ts'

const LOAD_INTERVAL_MS = 250
/** Memory in use, as a part of the most, above which no worker is let in. */
const MEMORY_FULL = 0.95
const CHILD_GRACE_MS = 3_000
/** Between an owner seen dead by gossip and its eviction: a second look at whether it came back. */
const DEATH_GRACE_MS = 50

export interface NodeComponents {
  readonly store: Store
  readonly gossip: Gossip
  readonly log: Logger
  readonly world: World
}

export interface NodeInit {
  readonly config: Config
  readonly entry: NodeEntry
}

/**
 * A peer of the cluster: its control loop and the processes it keeps. No user code runs here, and
 * no byte of a client passes through.
 */
export class Node {
  readonly #c: NodeComponents
  readonly #entry: NodeEntry
  readonly #peers: Peers
  readonly #pool: PoolClient
  readonly #host: HostClient
  readonly #lease: Lease
  readonly #voucher: Voucher
  readonly #watch: HostWatch
  readonly #placer: Placer
  readonly #mover: Mover
  readonly #ownership: Ownership
  readonly #takeover: Takeover
  readonly #drain: Drain
  readonly #balancer: Balancer
  readonly #alarms: AlarmScan
  readonly #meter: LoadMeter
  readonly #rpc: RpcServer
  readonly #map: MapHandover
  readonly #startedMs: number
  readonly #started: Config
  #config: Config
  #refused: string | undefined
  #cordoned = false
  #draining = false
  #stopping = false
  #loadTimer: TimerHandle | undefined

  constructor(components: NodeComponents, init: NodeInit) {
    const { gossip, store, log, world } = components
    const { config, entry } = init
    const node = entry.id
    const token = dataToken(config.key)
    this.#c = components
    this.#started = config
    this.#config = config
    this.#entry = entry
    this.#startedMs = world.clock.nowMs()
    this.#peers = new Peers({ membership: gossip }, { token })
    this.#placer = new Placer(
      { membership: gossip, world },
      { node, candidates: () => this.#config.placement.candidates },
    )
    const calls = { ...config.calls, answerBytesMax: config.host.bodyBytesMax }
    const setup = { node, bind: entry.host, token, calls, logLevel: config.log.level }
    const resolve: ResolveAsk = (id, suspect) => this.#ownership.resolve(id, suspect)
    this.#pool = new PoolClient(
      { log: log.child({ component: 'pool' }), world },
      {
        setup: () => ({ ...setup, tasks: [...this.#config.tasks], limits: this.#config.pool }),
      },
      { up: () => this.#tellPorts(), down: () => this.#tellPorts(), resolve },
    )
    this.#host = new HostClient(
      { log: log.child({ component: 'host' }), world },
      {
        memoryMb: config.host.memoryMb,
        setup: () => ({
          ...setup,
          incarnation: this.#lease.incarnation,
          host: 1,
          store: config.store,
          classes: [...this.#config.classes],
          limits: this.#config.host,
          move: this.#config.move,
        }),
      },
      {
        up: () => this.#tellPorts(),
        down: () => {
          this.#ownership.allGone()
          this.#tellPorts()
        },
        resolve,
        reserve: (id, _from, stateBytes) => this.#reserve(id, stateBytes),
        arrived: (id, epoch) => this.#ownership.arrived(id, epoch),
        gone: (id, _owner, why) => {
          log.debug({ worker: formatWorkerId(id), why }, 'gone')
          this.#ownership.gone(id, why === 'store')
        },
      },
    )
    this.#lease = new Lease(
      { store, log: log.child({ component: 'lease' }), world },
      { node, leaseMs: config.host.leaseMs },
      {
        granted: (incarnation) => this.#granted(incarnation),
        lost: () => {
          this.#host.fence()
          this.#ownership.allGone()
          gossip.setMeta({ incarnation: 0 })
        },
      },
    )
    this.#watch = new HostWatch(
      { host: this.#host, log },
      {
        turnMs: () => longestTurnMs(this.#config.classes.values()) || config.host.requestTimeoutMs,
      },
    )
    this.#voucher = new Voucher({ lease: this.#lease, host: this.#host, gossip, world })
    this.#mover = new Mover(
      { membership: gossip, host: this.#host, placer: this.#placer, log },
      { node },
    )
    this.#ownership = new Ownership(
      {
        store,
        membership: gossip,
        peers: this.#peers,
        host: this.#host,
        placer: this.#placer,
        log: log.child({ component: 'ownership' }),
        world,
      },
      {
        node,
        address: entry.host,
        incarnation: () => this.#lease.incarnation,
        refusal: () => this.#refusal(),
        classes: () => this.#config.classes,
        evicted: (dead) => void this.#takeOver(dead),
      },
    )
    this.#takeover = new Takeover({ store, ownership: this.#ownership, placer: this.#placer, log })
    this.#drain = new Drain(
      { ownership: this.#ownership, placer: this.#placer, mover: this.#mover, log, world },
      { node, concurrency: () => this.#config.move.concurrency },
    )
    this.#meter = new LoadMeter(
      { pool: this.#pool, host: this.#host, world },
      { speed: entry.speed },
    )
    this.#balancer = new Balancer(
      { placer: this.#placer, mover: this.#mover, host: this.#host, log, world },
      {
        node,
        limits: () => this.#config.placement,
        paused: () => this.#draining || this.#stopping || this.#lease.incarnation === 0,
      },
    )
    this.#alarms = new AlarmScan(
      { store, ownership: this.#ownership, log: log.child({ component: 'alarms' }), world },
      { mayScan: () => this.#lease.incarnation !== 0 && this.#lease.trouble === undefined },
    )
    const handlers = nodeCalls({
      node: this,
      ownership: this.#ownership,
      placer: this.#placer,
      mover: this.#mover,
      host: this.#host,
      peers: this.#peers,
      store,
      incarnation: () => this.#lease.incarnation,
      classes: () => this.#config.classes,
    })
    this.#rpc = new RpcServer({ handlers, log }, { token })
    this.#map = new MapHandover({ gossip, world }, { map: config.map })
    gossip.onChange(({ member: { id, role, state } }) => {
      if (role === 'node' && state === 'suspect') this.#ownership.suspect(id)
      if (role === 'node' && state === 'unreachable') this.#mourn(id)
    })
  }

  get id(): string {
    return this.#entry.id
  }

  get peers(): Peers {
    return this.#peers
  }

  /** Serves when it resolves. When it rejects, nothing of it is left running. */
  async start(): Promise<void> {
    try {
      // Whoever finds the data port refusing evicts this node: it listens before it registers.
      await this.#rpc.start(this.#entry.host, this.#entry.data)
      await this.#c.gossip.start()
      await this.#lease.start()
      await Promise.all([this.#pool.start(), this.#host.start()])
    } catch (error) {
      await this.#end()
      throw error
    }
    this.#tellLoad()
    this.#voucher.start()
    this.#balancer.start()
    this.#alarms.start()
  }

  /** Ends in order. What was not drained before, the others claim when they are asked for it. */
  async stop(): Promise<void> {
    if (this.#stopping) return
    this.#c.log.info('stopping')
    await this.#end()
  }

  async #end(): Promise<void> {
    this.#stopping = true
    this.#balancer.stop()
    this.#alarms.stop()
    this.#voucher.stop()
    this.#takeover.stop()
    this.#map.stop()
    this.#loadTimer?.cancel()
    this.#meter.stop()
    // Everyone hears that it leaves before a port closes: no request crosses the closing.
    await this.#c.gossip.leave()
    await Promise.all([this.#host.stop(CHILD_GRACE_MS), this.#pool.stop(CHILD_GRACE_MS)])
    await this.#lease.stop()
    await this.#rpc.stop()
    await this.#peers.close()
    await this.#c.store.close()
  }

  /** Takes a changed configuration; what only a restart can change, `aries status` tells. */
  setConfig(config: Config): void {
    this.#config = config
    this.#map.set(config.map)
    this.#host.declare(config.classes)
    this.#pool.declare(config.tasks)
  }

  async drain(): Promise<DrainReport> {
    this.#draining = true
    this.#c.gossip.setMeta({ draining: true })
    return this.#drain.run(() => this.#draining)
  }

  status(): NodeStatusInfo {
    const own = this.#refused === undefined ? [] : [this.#refused]
    const restart = restartNote('node', this.#entry.id, this.#started, this.#config)
    if (restart) own.push(restart)
    if (this.#lease.trouble) own.push(`the store does not answer: ${this.#lease.trouble}`)
    if (this.#host.port === 0) own.push('the host process is starting')
    if (this.#pool.port === 0) own.push('the pool process is starting')
    if (this.#watch.note) own.push(this.#watch.note)
    if (this.#draining) own.push('draining')
    if (this.#cordoned) own.push('cordoned')
    const mismatch = this.#c.gossip.mapMismatch()
    if (mismatch.length > 0) {
      own.push(`another map under epoch ${this.#config.map.epoch}: ${mismatch.join(', ')}`)
    }
    return {
      id: this.#entry.id,
      role: 'node',
      version: VERSION,
      pid: process.pid,
      uptimeMs: Math.round(this.#c.world.clock.nowMs() - this.#startedMs),
      ready:
        !this.#stopping &&
        !this.#draining &&
        this.#lease.incarnation !== 0 &&
        this.#lease.trouble === undefined &&
        this.#host.port !== 0 &&
        this.#watch.note === undefined &&
        this.#pool.port !== 0,
      notes: own,
      mapEpoch: this.#config.map.epoch,
      processes: [this.#pool.info, this.#host.info],
    }
  }

  /** Why a changed configuration was refused; undefined when the one in force is the newest. */
  setRefusal(note: string | undefined): void {
    this.#refused = note
  }

  /** Figures for `/metrics`. */
  figures(): NodeFigures {
    const { ready, processes } = this.status()
    return {
      ready,
      processes,
      workers: this.#ownership.count,
      moves: this.#mover.counts,
      takeovers: this.#takeover.count,
      pool: this.#pool.stats,
      host: this.#host.stats,
    }
  }

  setFlags(flags: { draining?: boolean; cordoned?: boolean }): void {
    this.#draining = flags.draining ?? this.#draining
    this.#cordoned = flags.cordoned ?? this.#cordoned
    this.#c.gossip.setMeta({ draining: this.#draining, cordoned: this.#cordoned })
    this.#c.log.info({ draining: this.#draining, cordoned: this.#cordoned }, 'flags changed')
  }

  #granted(incarnation: number): void {
    this.#c.gossip.setMeta({ incarnation })
    // A host process lives under one incarnation: what it holds of an older one is void.
    this.#host.restart()
    this.#tellPorts()
  }

  #tellPorts(): void {
    this.#c.gossip.setMeta({
      poolPort: this.#pool.port,
      hostPorts: this.#host.port === 0 ? [] : [this.#host.port],
    })
  }

  #tellLoad(): void {
    this.#watch.round(LOAD_INTERVAL_MS)
    this.#c.gossip.setLoad(this.#meter.sample(this.#ownership.count))
    this.#loadTimer = this.#c.world.clock.after(LOAD_INTERVAL_MS, () => this.#tellLoad())
  }

  #refusal(): string | undefined {
    if (this.#stopping) return `node ${this.#entry.id} is stopping`
    if (this.#draining) return `node ${this.#entry.id} is draining`
    if (this.#cordoned) return `node ${this.#entry.id} is cordoned`
    return undefined
  }

  #reserve(id: WorkerId, stateBytes: number): string | undefined {
    const refusal = this.#refusal()
    if (refusal) return refusal
    if (!this.#config.classes.has(id.class)) return `class "${id.class}" is not configured here`
    if (this.#lease.incarnation === 0) return `node ${this.#entry.id} is not registered`
    const load = this.#c.gossip.member(this.#entry.id)?.load
    if (load && load.memoryBytes + stateBytes > load.memoryBytesMax * MEMORY_FULL) {
      return `node ${this.#entry.id} has no memory for ${stateBytes} bytes`
    }
    return undefined
  }

  /** Gossip says that the node is dead: look again, then evict it and take over. */
  #mourn(node: string): void {
    this.#c.world.clock.after(DEATH_GRACE_MS, () => {
      if (this.#stopping || this.#c.gossip.member(node)?.state !== 'unreachable') return
      void this.#ownership.evictUnreachable(node).catch((error: unknown) => {
        this.#c.log.error({ err: error, node }, 'could not evict')
      })
    })
  }

  async #takeOver(node: string): Promise<void> {
    try {
      await this.#takeover.run(node)
    } catch (error) {
      this.#c.log.error({ err: error, node }, 'takeover failed; requests will do the rest')
    }
  }
}
