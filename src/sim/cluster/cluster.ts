/** The cluster of the simulation: real nodes, hosts and fronts, in processes of the virtual world. */
import { resolveClasses } from '../../config/classes.ts'
import { type Config, configSchema } from '../../config/schema.ts'
import { Front } from '../../front/front.ts'
import type { Logger } from '../../log.ts'
import { Node } from '../../node/node.ts'
import type { WorkerInfo } from '../../rpc.ts'
import type { Random } from '../../world.ts'
import { realWorld } from '../../world.ts'
import { useChildren } from '../runtime/children.ts'
import { useTcp } from '../runtime/net.ts'
import { VirtualProcess } from '../runtime/process.ts'
import { VirtualTcp } from '../runtime/tcp.ts'
import { useWorld } from '../runtime/time.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { VirtualGossip } from './gossip.ts'
// Loaded now: a host that loads it then does no I/O.
import './ledger.ts'
import { programOf } from './programs.ts'
import { type StoreWatcher, VirtualStore } from './store.ts'

const CLASS_FILE = new URL('./ledger.ts', import.meta.url).pathname
export const CLASS = 'ledger'
export const FRONT_PORT = 8_080
export const CLIENT_MACHINE = 'clients'
/** Short, so that a seed sees what would take long otherwise. */
export const LEASE_MS = 1_500
const FENCE_TIMEOUT_MS = 60
const TURN_BUDGET_MS = 60
const COPY_TIMEOUT_MS = 400
const OWNER_TIMEOUT_MS = 6_000
/** Of the front, for an answer of a target. */
export const RESPONSE_TIMEOUT_MS = 4_000
const TURN_TIMEOUT_MS = 600
const WORKERS_MAX = 100

export interface ClusterComponents {
  readonly clock: VirtualClock
  readonly random: Random
  readonly watcher: StoreWatcher
  /** Hears of what happens, for the trace. */
  readonly say: (text: string) => void
}

interface Member {
  process: VirtualProcess
  node: Node | undefined
  front: Front | undefined
}

export class Cluster {
  readonly tcp: VirtualTcp
  readonly store: VirtualStore
  readonly gossip: VirtualGossip
  readonly nodes: readonly string[]
  readonly fronts: readonly string[]
  /** Where requests come from; it never fails. */
  readonly client: VirtualProcess
  readonly #c: ClusterComponents
  readonly #config: Config
  readonly #members = new Map<string, Member>()
  readonly #children = new Map<VirtualProcess, VirtualProcess>()

  constructor(
    components: ClusterComponents,
    init: { nodes: number; fronts: number; standby: 0 | 1 },
  ) {
    const { clock, random, watcher } = components
    this.#c = components
    useWorld({ clock, random })
    const quiet = { cut: 0, split: 0, delayMsMin: 0.05, delayMsMax: 0.3, late: 0, lateMs: 0 }
    const tcp = new VirtualTcp({ clock, random }, quiet)
    this.tcp = tcp
    useTcp(tcp)
    const lossless = { delayMsMax: 1, lostCalls: 0, lostAnswers: 0 }
    this.store = new VirtualStore({ clock, random, tcp, watcher }, lossless)
    this.nodes = Array.from({ length: init.nodes }, (_, i) => `n${i + 1}`)
    this.fronts = Array.from({ length: init.fronts }, (_, i) => `f${i + 1}`)
    this.#config = configOf(this.nodes, this.fronts, init.standby)
    const { map } = this.#config
    this.gossip = new VirtualGossip({ clock, random, tcp }, [
      ...map.nodes.map(({ id, data }) => ({ id, role: 'node' as const, dataPort: data })),
      ...map.fronts.map(({ id }) => ({ id, role: 'front' as const, dataPort: 0 })),
    ])
    this.client = new VirtualProcess(clock, 'client', CLIENT_MACHINE)
    useChildren({
      clock,
      random,
      program: (entry) =>
        programOf({ log: (name) => this.#log(name), store: (by) => this.store.connect(by) }, entry),
      born: (child, parent) => this.#children.set(child, parent),
      died: (child) => {
        this.#children.delete(child)
        tcp.died(child)
      },
    })
  }

  /** Starts a member in a process of its own. */
  boot(id: string): void {
    const process = new VirtualProcess(this.#c.clock, id, id)
    const gossip = this.gossip.member(id, process).asGossip
    const member: Member = { process, node: undefined, front: undefined }
    this.#members.set(id, member)
    process.onDeath(() => this.tcp.died(process))
    const log = this.#log(id)
    const config = this.#config
    process.run(() => {
      if (this.fronts.includes(id)) {
        const components = { log, world: realWorld, membership: gossip }
        member.front = new Front(components, { config, id })
        void this.#started(process, member.front.start())
        return
      }
      const entry = config.map.nodes.find((node) => node.id === id)!
      const store = this.store.connect(process)
      member.node = new Node(
        { store, gossip, log, world: realWorld },
        { config, entry, joins: false, restart: () => undefined },
      )
      void this.#started(process, member.node.start())
    })
  }

  /** Ends everything, so that nothing of it is left when the next seed runs. */
  destroy(): void {
    for (const id of this.#members.keys()) {
      for (const process of this.processesOf(id)) process.kill()
    }
    this.client.kill()
    this.tcp.destroy()
  }

  process(id: string): VirtualProcess {
    return this.#members.get(id)!.process
  }

  /** The processes of hosts of a node, e.g. to kill one. */
  hostsOf(node: string): VirtualProcess[] {
    return [...this.#children.keys()].filter(({ name }) => name === `${node}/host`)
  }

  /** Every process of a machine. */
  processesOf(id: string): VirtualProcess[] {
    const own = this.process(id)
    return [own, ...[...this.#children].filter(([, parent]) => parent === own).map(([c]) => c)]
  }

  /** A call to a node, as an operator's CLI makes it, from another node. */
  async call(by: string, what: (node: Node) => Promise<unknown>): Promise<void> {
    const { process, node } = this.#members.get(by)!
    if (!node || process.dead) return
    await new Promise<void>((resolve) => {
      process.onDeath(resolve)
      process.run(() => {
        what(node).then(
          () => resolve(),
          () => resolve(),
        )
      })
    })
  }

  /** What each node says that it has open, by node and key. */
  async openWorkers(): Promise<Map<string, Map<string, WorkerInfo>>> {
    const open = new Map<string, Map<string, WorkerInfo>>()
    const asking = this.nodes.map((id) =>
      this.call(id, async (node) => {
        const workers = await node.peers.call(id, 'workers', { order: 'name', limit: WORKERS_MAX })
        open.set(id, new Map(workers.map((worker) => [worker.key, worker])))
      }),
    )
    await Promise.all(asking)
    return open
  }

  /** A member that could not start ends, and is started again as a supervisor would do it. */
  async #started(process: VirtualProcess, starting: Promise<void>): Promise<void> {
    try {
      await starting
      this.#c.say(`${process.name} is up`)
    } catch (error) {
      this.#c.say(`${process.name} could not start: ${String(error)}`)
      process.kill()
      this.#c.clock.after(50, () => this.boot(process.name))
    }
  }

  #log(name: string): Logger {
    const { say } = this.#c
    const write = (level: string) => (fields: unknown, message?: string) => {
      const text = typeof fields === 'string' ? fields : `${message} ${shown(fields)}`
      say(`${name} ${level}: ${text}`)
    }
    const none = (): void => undefined
    const log = {
      trace: none,
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      fatal: write('fatal'),
      child: () => log,
    }
    return log as unknown as Logger
  }
}

function shown(fields: unknown): string {
  return JSON.stringify(fields, (key, value: unknown) => {
    if (value instanceof Error) return value.message
    return key === 'stack' ? undefined : value
  })
}

function configOf(nodes: readonly string[], fronts: readonly string[], standby: 0 | 1): Config {
  const host = '127.0.0.1'
  const parsed = configSchema.parse({
    listeners: fronts.map((_, i) => ({ http: `${host}:${FRONT_PORT + i}` })),
    routes: [{ path: '/ledger/:key', worker: CLASS_FILE }],
    front: {
      shards: 1,
      ownerTimeoutMs: OWNER_TIMEOUT_MS,
      responseTimeoutMs: RESPONSE_TIMEOUT_MS,
      connectTimeoutMs: 300,
    },
    host: { leaseMs: LEASE_MS, requestTimeoutMs: TURN_TIMEOUT_MS },
    move: {
      fenceTimeoutMs: FENCE_TIMEOUT_MS,
      copyTimeoutMs: COPY_TIMEOUT_MS,
      turnBudgetMs: TURN_BUDGET_MS,
    },
    log: { level: 'silent' },
  })
  return {
    ...parsed,
    keys: [],
    keyFile: undefined,
    file: '/aries.yaml',
    mapFile: '/cluster.yaml',
    map: {
      cluster: 'sim',
      epoch: 1,
      nodes: nodes.map((id, i) => {
        return { id, host, gossip: 1, data: 7_201 + i, admin: 1, speed: 1 }
      }),
      fronts: fronts.map((id) => ({ id, host, gossip: 1, admin: 1 })),
    },
    tasks: new Map(),
    classes: resolveClasses(new Map([[CLASS, CLASS_FILE]]), parsed.host, {
      [CLASS]: { standby, readsMax: 4 },
    }),
  }
}
