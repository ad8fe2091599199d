import { dataTokens, Tokens } from '../auth.ts'
import { isIsolated, longestTurnMs } from '../config/classes.ts'
import type { Config, NodeEntry } from '../config/schema.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import { Jobs } from '../jobs/jobs.ts'
import { MapHandover } from '../map-handover.ts'
import { Peers } from '../peers.ts'
import type { DeployReport, DrainReport, NodeStatusInfo } from '../rpc.ts'
import type { OwnerAddress } from '../wire.ts'
import { Admission } from './admission.ts'
import type { Affinities } from './affinities.ts'
import { AlarmScan } from './alarm-scan.ts'
import { Balancer } from './balancer.ts'
import { Children, type ChildrenEvents } from './children.ts'
import { Deploy } from './deploy.ts'
import { Drain } from './drain.ts'
import type { HostClient } from './host-client.ts'
import { HostWatch } from './host-watch.ts'
import { type Joiner, joinerOf } from './joiner.ts'
import { Lease } from './lease.ts'
import { LoadTeller } from './load-teller.ts'
import { type NodeFigures, nodeFigures } from './metrics.ts'
import { Mover } from './mover.ts'
import type { NodeComponents, NodeInit } from './node-init.ts'
import { nodeStatus } from './node-status.ts'
import { OpenWorkers } from './open-workers.ts'
import { followOthers } from './others.ts'
import { Ownership } from './ownership.ts'
import { placementOf } from './placement.ts'
import type { Placer } from './placer.ts'
import { Recovery, recoveryFiles } from './recovery.ts'
import { rpcHandlers } from './rpc-handlers.ts'
import { RpcServer } from './rpc-server.ts'
import { StandbyHosts } from './standby-hosts.ts'
import { Takeover } from './takeover.ts'
import { Voucher } from './voucher.ts'
import { welcome } from './welcome.ts'

/**
 * A peer of the cluster: its control loop and the processes it keeps. No user code runs here, and
 * no byte of a client passes through.
 */
export class Node {
  readonly #c: NodeComponents
  readonly #entry: NodeEntry
  readonly #peers: Peers
  readonly #tokens: Tokens
  readonly #admission: Admission
  readonly #open: OpenWorkers
  readonly #children: Children
  readonly #lease: Lease
  readonly #voucher: Voucher
  readonly #watch: HostWatch
  readonly #placer: Placer
  readonly #affinities: Affinities
  readonly #standbyHosts: StandbyHosts
  readonly #mover: Mover
  readonly #ownership: Ownership
  readonly #takeover: Takeover
  readonly #drain: Drain
  readonly #deploy: Deploy
  readonly #balancer: Balancer
  readonly #alarms: AlarmScan
  readonly #jobs: Jobs
  readonly #load: LoadTeller
  readonly #rpc: RpcServer
  readonly #map: MapHandover
  readonly #joiner: Joiner | undefined
  readonly #startedMs: number
  readonly #started: Config
  #config: Config
  #refused: string | undefined

  constructor(components: NodeComponents, init: NodeInit) {
    const { gossip, store, log, world } = components
    const { config, entry } = init
    const node = entry.id
    this.#tokens = new Tokens(dataTokens(config.keys))
    this.#c = components
    this.#started = config
    this.#config = config
    this.#entry = entry
    this.#startedMs = world.clock.nowMs()
    this.#peers = new Peers({ membership: gossip }, { tokens: this.#tokens })
    this.#open = new OpenWorkers((host, isOpen, id) => {
      hosts.inhabited(host, isOpen)
      if (isOpen) this.#load.arrived(id.class)
    })
    const { placer, affinities } = placementOf(
      { membership: gossip, store, open: this.#open, world },
      { node, config: () => this.#config },
    )
    this.#placer = placer
    this.#affinities = affinities
    const classes = (): Config['classes'] => this.#config.classes
    const incarnation = (): number => this.#lease.incarnation
    this.#admission = new Admission(
      { gossip, open: this.#open },
      { node, classes, incarnation, classRefusal: (id) => affinities.refusal(id) },
    )
    this.#children = new Children(
      { log, world },
      {
        entry,
        started: config,
        config: () => this.#config,
        incarnation,
      },
      {
        changed: () => gossip.setMeta(this.#children.ports),
        down: (host) => this.#open.down(host),
        resolve: (id, suspect) => this.#ownership.resolve(id, suspect),
        reserve: (host, id, _from, stateBytes) => this.#admission.reserve(host, id, stateBytes),
        arrived: (host, id, epoch) => this.#open.opened(host, id, epoch),
        gone: (host, id, owner, why) => this.#gone(host, id, owner, why),
      },
    )
    const { hosts, pools } = this.#children
    this.#standbyHosts = new StandbyHosts(
      { placer: this.#placer, hosts },
      { wanted: () => [...this.#config.classes.values()].some((c) => c.standby > 0) },
    )
    this.#lease = new Lease(
      { store, log: log.child({ component: 'lease' }), world },
      { node, leaseMs: config.host.leaseMs },
      {
        granted: (incarnation) => this.#granted(incarnation),
        lost: () => {
          hosts.fence()
          this.#jobs.lost()
          this.#open.clear()
          gossip.setMeta({ incarnation: 0 })
        },
      },
    )
    this.#watch = new HostWatch(
      { hosts, log },
      {
        turnMs: () => longestTurnMs(this.#config.classes.values()) || config.host.requestTimeoutMs,
      },
    )
    this.#voucher = new Voucher({ lease: this.#lease, hosts, gossip, world })
    this.#mover = new Mover(
      {
        membership: gossip,
        open: this.#open,
        peers: this.#peers,
        placer: this.#placer,
        affinities,
        log,
      },
      { node, address: entry.host, isIsolated: (name) => isIsolated(classes().get(name)) },
    )
    this.#ownership = new Ownership(
      {
        store,
        membership: gossip,
        peers: this.#peers,
        hosts,
        open: this.#open,
        placer: this.#placer,
        log: log.child({ component: 'ownership' }),
        world,
      },
      {
        node,
        address: entry.host,
        incarnation,
        refusal: (id) => this.#admission.newcomer(id),
        classes,
        evicted: (dead) => void this.#takeover.run(dead),
      },
    )
    this.#takeover = new Takeover({ store, ownership: this.#ownership, placer: this.#placer, log })
    this.#deploy = new Deploy(
      { hosts, pools, open: this.#open, mover: this.#mover, log, world },
      {
        node,
        concurrency: () => this.#config.move.concurrency,
        loadTimeoutMs: () => this.#config.host.requestTimeoutMs,
      },
    )
    this.#load = new LoadTeller(
      { pools, hosts, gossip, open: this.#open, log, world },
      { speed: entry.speed, before: (intervalMs) => this.#lookAround(intervalMs) },
    )
    this.#balancer = new Balancer(
      { placer: this.#placer, mover: this.#mover, hosts, affinities, world },
      {
        node,
        speed: () => this.#load.speed,
        limits: () => this.#config.placement,
        load: () => this.#load.own,
        stretch: () => this.#load.stretch,
        stays: (name) => classes().get(name)?.stay ?? false,
        paused: () =>
          this.#admission.draining ||
          this.#admission.stopping ||
          this.#deploy.running ||
          this.#lease.incarnation === 0,
      },
    )
    this.#alarms = new AlarmScan(
      {
        store,
        ownership: this.#ownership,
        open: this.#open,
        log: log.child({ component: 'alarms' }),
        world,
      },
      { mayScan: () => this.#lease.incarnation !== 0 && this.#lease.trouble === undefined },
    )
    this.#jobs = new Jobs(
      { store, membership: gossip, placer: this.#placer, peers: this.#peers, log, world },
      {
        node,
        config,
        incarnation,
        begun: (cpu) => this.#load.begun(cpu),
        takes: () => this.#admission.refusal() === undefined,
      },
    )
    this.#drain = new Drain(
      { open: this.#open, placer: this.#placer, mover: this.#mover, jobs: this.#jobs, log, world },
      { node, concurrency: () => this.#config.move.concurrency },
    )
    const recovery = new Recovery(
      { store, ownership: this.#ownership, open: this.#open, hosts, peers: this.#peers },
      { node, incarnation, refusal: () => this.#admission.refusal() },
    )
    const files = recoveryFiles(recovery, world.clock)
    const handlers = rpcHandlers({
      node: this,
      ownership: this.#ownership,
      placer: this.#placer,
      mover: this.#mover,
      open: this.#open,
      hosts,
      peers: this.#peers,
      recovery,
      jobs: this.#jobs,
      store,
      incarnation,
      welcome: (params) => welcome(gossip, this.#config.map, params),
      restart: init.restart,
      classes,
    })
    this.#rpc = new RpcServer({ handlers, files, jobs: this.#jobs, log }, { tokens: this.#tokens })
    this.#map = new MapHandover({ gossip, world }, { map: config.map })
    this.#joiner = joinerOf({ peers: this.#peers, gossip, log, world }, init)
    const [standbyHosts, children, ownership] = [
      this.#standbyHosts,
      this.#children,
      this.#ownership,
    ]
    const parts = { gossip, standbyHosts, children, ownership, log }
    followOthers(parts, () => this.#admission.stopping)
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
      await this.#joiner?.start()
      await this.#lease.start()
      await this.#children.start()
    } catch (error) {
      await this.#end()
      throw error
    }
    this.#load.start()
    this.#voucher.start()
    this.#balancer.start()
    this.#alarms.start()
    this.#jobs.start()
  }

  /** Ends in order. What was not drained before, the others claim when they are asked for it. */
  async stop(): Promise<void> {
    if (this.#admission.stopping) return
    this.#c.log.info('stopping')
    await this.#end()
  }

  async #end(): Promise<void> {
    this.#admission.stop()
    this.#balancer.stop()
    this.#alarms.stop()
    this.#voucher.stop()
    this.#takeover.stop()
    this.#map.stop()
    this.#joiner?.stop()
    this.#load.stop()
    // Everyone hears that it leaves before a port closes: no request crosses the closing.
    await this.#c.gossip.leave()
    await Promise.all([this.#children.stop(), this.#jobs.stop()])
    await this.#lease.stop()
    await this.#rpc.stop()
    await this.#peers.close()
    await this.#c.store.close()
  }

  /** Takes a changed configuration; what only a restart can change, `aries status` tells. */
  setConfig(config: Config): void {
    this.#config = config
    this.#map.set(config.map)
    this.#children.declare(config)
  }

  /** Resolves when the whole node uses the first of them, and accepts all. */
  async setKeys(keys: readonly string[]): Promise<void> {
    const tokens = dataTokens(keys)
    this.#c.gossip.setKeys(keys)
    this.#tokens.set(tokens)
    await this.#children.setTokens(tokens)
  }

  /** Runs the code as it is on disk now, in processes of a generation not below this. */
  deploy(generation: number): Promise<DeployReport> {
    return this.#deploy.run(generation)
  }

  async drain(): Promise<DrainReport> {
    this.#admission.set({ draining: true })
    return this.#drain.run(() => this.#admission.draining)
  }

  status(): NodeStatusInfo {
    const config = { started: this.#started, current: this.#config, refused: this.#refused }
    return nodeStatus(
      {
        lease: this.#lease,
        children: this.#children,
        jobs: this.#jobs,
        watch: this.#watch,
        deploy: this.#deploy,
        admission: this.#admission,
        gossip: this.#c.gossip,
      },
      { id: this.#entry.id, uptimeMs: this.#c.world.clock.nowMs() - this.#startedMs, config },
    )
  }

  /** Why a changed configuration was refused; undefined when the one in force is the newest. */
  setRefusal(note: string | undefined): void {
    this.#refused = note
  }

  /** Figures for `/metrics`. */
  figures(): NodeFigures {
    const [open, mover, takeover, jobs] = [this.#open, this.#mover, this.#takeover, this.#jobs]
    const [failovers, children] = [this.#ownership.times, this.#children]
    return nodeFigures(this.status(), { open, mover, takeover, failovers, jobs, children })
  }

  setFlags(flags: { draining?: boolean; cordoned?: boolean }): void {
    this.#admission.set(flags)
    this.#c.log.info(flags, 'flags changed')
  }

  #granted(incarnation: number): void {
    this.#c.gossip.setMeta({ incarnation })
    // A host process lives under one incarnation: what it holds of an older one is void.
    this.#open.clear()
    this.#children.hosts.renew()
    this.#jobs.granted()
  }

  #lookAround(intervalMs: number): void {
    this.#watch.round(intervalMs)
    this.#standbyHosts.refresh()
    this.#children.hosts.closeSleepers()
  }

  #gone(
    host: HostClient,
    id: WorkerId,
    owner: OwnerAddress | undefined,
    why: Parameters<ChildrenEvents['gone']>[3],
  ): void {
    this.#c.log.debug({ worker: formatWorkerId(id), why }, 'gone')
    this.#open.gone(host, id, why === 'store')
    if (owner) this.#affinities.moved(id, owner.node)
    // Into another process of this node, which is about to say the same.
    const to = owner?.node === this.#entry.id ? this.#children.hosts.at(owner.port) : undefined
    if (owner && to) this.#open.opened(to, id, owner.epoch)
  }
}
