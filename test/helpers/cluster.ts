/** A real cluster for tests and load tests: real processes, real sockets, ports of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import type { AdminApi } from '../../src/admin/api.ts'
import { leash } from './leash.ts'
import { type Machines, SWITCH_ADDRESS } from './machines.ts'
import { freePorts } from './ports.ts'
import { until } from './until.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = join(ROOT, 'src/cli/bin.js')
const LEGACY = join(ROOT, 'workers/legacy.ts')
const READY_TIMEOUT_MS = 90_000

/** For `move:` of the configuration: none is given up because other tests slow the machine down. */
export const PATIENT_MOVES = { fenceTimeoutMs: 10_000 } as const

export interface ClusterOptions {
  readonly nodes?: number
  /** Each with a listener of its own; `url` is that of the first. */
  readonly fronts?: number
  /** Nodes that stand in the map but are not started. */
  readonly spare?: number
  readonly store?: string
  readonly key?: string
  /** Of the map: spare nodes may join, see `joinNode`. */
  readonly join?: { readonly max?: number; readonly forgetMs?: number }
  /** Merged into the configuration. */
  readonly config?: Record<string, unknown>
  /**
   * Each node keeps a spare host process, as it does in production; only tests of what becomes of
   * a host need one, and to start it takes most of a second of CPU.
   */
  readonly spareHosts?: boolean
  readonly legacy?: boolean
  /** What stands in the environment of a process besides; `id` is that of the member. */
  readonly env?: (id: string) => Record<string, string>
  /** Each node runs on one of its own; the fronts are at the switch. Without: all on loopback. */
  readonly machines?: Machines
  /** What to put before the command of node `i` (from 0), to run it where it is to run. */
  readonly on?: (i: number) => readonly string[]
  /** Routes besides those of the demo. */
  readonly routes?: readonly Record<string, unknown>[]
}

type ReadPath = '/api/cluster' | '/api/status' | '/api/workers'

interface NodePorts {
  readonly id: string
  readonly gossip: number
  readonly data: number
  readonly admin: number
}

interface FrontPorts {
  readonly id: string
  readonly http: number
  readonly gossip: number
  readonly admin: number
}

/** The environment without what a test runner put there for itself. */
function cleanEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ARIES_CLUSTER_KEY: _key, ...env } = process.env
  return env
}

export class TestCluster {
  readonly dir = mkdtempSync(join(tmpdir(), 'aries-test-'))
  readonly #options: ClusterOptions
  readonly #children = new Map<string, ChildProcess>()
  readonly #nodes: NodePorts[] = []
  #epoch = 1
  readonly #fronts: FrontPorts[] = []
  #legacy: number[] = []
  #declared = 0
  #mayJoin = true

  constructor(options: ClusterOptions = {}) {
    this.#options = options
  }

  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options)
    try {
      await cluster.#start()
    } catch (error) {
      const logs = cluster.logs()
      await cluster.stop()
      throw new Error(`${error}\n${logs}`, { cause: error })
    }
    return cluster
  }

  /** `http://127.0.0.1:<port>` of the front. */
  get url(): string {
    return this.urls[0]!
  }

  /** Of every front. */
  get urls(): readonly string[] {
    return this.#fronts.map((front) => `http://127.0.0.1:${front.http}`)
  }

  get frontIds(): readonly string[] {
    return this.#fronts.map((front) => front.id)
  }

  get adminAddress(): string {
    return `${this.#frontHost}:${this.#fronts[0]!.admin}`
  }

  get configFile(): string {
    return join(this.dir, 'aries.yaml')
  }

  get legacyPorts(): readonly number[] {
    return this.#legacy
  }

  /** The nodes of the map. */
  get nodeIds(): readonly string[] {
    return this.#nodes.slice(0, this.#declared).map((node) => node.id)
  }

  /** `http://<host>:<port>` of the node's admin API. */
  adminUrl(node: string): string {
    return `http://${this.#nodeHost(node)}:${this.adminPort(node)}`
  }

  get #frontHost(): string {
    return this.#options.machines ? SWITCH_ADDRESS : '127.0.0.1'
  }

  #nodeHost(id: string): string {
    return this.#options.machines?.address(this.machineOf(id)) ?? '127.0.0.1'
  }

  /** Of the node with the id `n<i>`, among the `machines`: from 0. */
  machineOf(id: string): number {
    return Number(id.slice(1)) - 1
  }

  adminPort(node: string): number {
    return this.#nodes.find((n) => n.id === node)!.admin
  }

  dataPort(node: string): number {
    return this.#nodes.find((n) => n.id === node)!.data
  }

  gossipPort(node: string): number {
    return this.#nodes.find((n) => n.id === node)!.gossip
  }

  pid(id: string): number {
    return this.#children.get(id)!.pid!
  }

  async #start(): Promise<void> {
    const { nodes = 3, spare = 0, fronts = 1, legacy = false } = this.#options
    const ports = await freePorts(fronts * 3 + (nodes + spare) * 3 + 2)
    const take = (): number => ports.pop()!
    for (let i = 1; i <= fronts; i++) {
      this.#fronts.push({ id: `f${i}`, http: take(), gossip: take(), admin: take() })
    }
    for (let i = 1; i <= nodes + spare; i++) {
      this.#nodes.push({ id: `n${i}`, gossip: take(), data: take(), admin: take() })
    }
    this.#legacy = [take(), take()]
    this.#declared = nodes
    this.#writeMap()
    for (const front of this.#fronts) {
      writeFileSync(this.#configFileOf(front.id), stringify(this.#config(front.http)))
    }
    if (legacy) for (const port of this.#legacy) this.startLegacy(port)
    for (const { id } of this.#nodes.slice(0, nodes)) this.startNode(id)
    for (const id of this.frontIds) this.startFront(id)
    await Promise.all([
      ...this.frontIds.map((id) => this.readyFront(id)),
      ...this.#nodes.slice(0, nodes).map((node) => this.readyNode(node.id)),
    ])
    await until('the front knows every node', async () => {
      const { members } = await this.get('/api/cluster')
      return (
        members.filter((m) => m.role === 'node' && m.state === 'alive' && m.load).length >= nodes
      )
    })
  }

  /** They differ in the listener only. */
  #configFileOf(front: string): string {
    return front === 'f1' ? this.configFile : join(this.dir, `aries-${front}.yaml`)
  }

  #config(httpPort: number): Record<string, unknown> {
    const { spareHosts = false, config, routes = [] } = this.#options
    const worker = (name: string): string => join(ROOT, `workers/${name}.ts`)
    const upstreams = this.#legacy.map((port) => `http://127.0.0.1:${port}`)
    return {
      map: './cluster.yaml',
      key: this.#options.key ?? '',
      store: this.#options.store ?? 'sqlite:./aries.db',
      listeners: [{ http: `127.0.0.1:${httpPort}` }],
      routes: [
        { path: '/hello', task: worker('hello') },
        { path: '/primes', task: worker('primes') },
        { path: '/counter/:key', worker: worker('counter') },
        { path: '/room/:key', worker: worker('room') },
        { path: '/legacy/*', upstreams },
        { path: '/compat/*', upstreams, forwarder: 'http-proxy' },
        ...routes,
      ],
      ...config,
      host: { spare: spareHosts, ...(config?.['host'] as object | undefined) },
    }
  }

  #writeMap(): void {
    const map = {
      cluster: 'test',
      epoch: this.#epoch,
      ...(this.#mayJoin && this.#options.join ? { join: this.#options.join } : {}),
      nodes: this.#nodes
        .slice(0, this.#declared)
        // Measured under the load of other tests, equal machines would differ.
        .map((n) => ({ ...n, host: this.#nodeHost(n.id), speed: 1 })),
      fronts: this.#fronts.map(({ http: _http, ...f }) => ({ ...f, host: this.#frontHost })),
    }
    writeFileSync(join(this.dir, 'cluster.yaml'), stringify(map))
  }

  /** Writes the next epoch of the map with the first `count` nodes. */
  declare(count: number): void {
    this.#declared = count
    this.#epoch++
    this.#writeMap()
  }

  /** Writes a node's entry out of the map. */
  undeclare(id: string): void {
    const index = this.#nodes.findIndex((n) => n.id === id)
    const [gone] = this.#nodes.splice(index, 1)
    this.#nodes.push(gone!)
    this.declare(this.#declared - 1)
  }

  /** Writes the node that was written out last into the map again. */
  redeclare(): void {
    this.declare(this.#declared + 1)
  }

  startNode(id: string): void {
    const { machines, on: place } = this.#options
    const on = machines?.on(this.machineOf(id)) ?? place?.(this.machineOf(id)) ?? []
    this.#spawn(id, ['node', '--id', id, '--config', this.configFile], on)
  }

  /** Starts a spare node that the map does not have. */
  joinNode(id: string): void {
    const ports = [this.gossipPort(id), this.dataPort(id), this.adminPort(id)].join(',')
    const join = ['--join', this.#nodeHost(id), '--ports', ports]
    this.#spawn(id, ['node', '--id', id, '--config', this.configFile, ...join])
  }

  /** Writes the next epoch of the map, which lets nobody join any more. */
  forbidJoining(): void {
    this.#mayJoin = false
    this.declare(this.#declared)
  }

  startFront(id = 'f1'): void {
    this.#spawn(id, ['front', '--id', id, '--config', this.#configFileOf(id)])
  }

  readyFront(id = 'f1'): Promise<void> {
    const { admin } = this.#fronts.find((front) => front.id === id)!
    return this.ready(`http://${this.#frontHost}:${admin}`, id)
  }

  startLegacy(port: number): void {
    this.#spawnFile(`legacy-${port}`, LEGACY, [`127.0.0.1:${port}`])
  }

  #spawn(id: string, args: readonly string[], on: readonly string[] = []): void {
    this.#spawnFile(id, MAIN, args, on)
  }

  /** `on`: the command that runs a command where this is to run. */
  #spawnFile(id: string, file: string, args: readonly string[], on: readonly string[] = []): void {
    const log = openSync(join(this.dir, `${id}.log`), 'a')
    const [command, ...rest] = [...on, process.execPath, file, ...args]
    const child = spawn(command!, rest, {
      cwd: this.dir,
      env: { ...cleanEnv(), NO_COLOR: '1', ...this.#options.env?.(id) },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    leash(child)
    this.#children.set(id, child)
  }

  async ready(adminUrl: string, id: string): Promise<void> {
    const child = this.#children.get(id)!
    await until(
      `${id} is ready at ${adminUrl}`,
      async () => {
        if (child.exitCode !== null) return true
        return (await fetch(`${adminUrl}/readyz`)).status === 200
      },
      READY_TIMEOUT_MS,
    )
    if (child.exitCode !== null) throw new Error(`${id} ended with ${child.exitCode}`)
  }

  async readyNode(id: string): Promise<void> {
    await this.ready(this.adminUrl(id), id)
  }

  /** Kills a process with -9 and waits until it is gone. */
  async kill(id: string): Promise<void> {
    await this.#end(id, 'SIGKILL')
  }

  /** Ends a process by SIGTERM; resolves with its exit code. */
  terminate(id: string): Promise<number | null> {
    return this.#end(id, 'SIGTERM')
  }

  /** Resolves with the exit code of a process that ends by itself. */
  exited(id: string): Promise<number | null> {
    const child = this.#children.get(id)!
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
    return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  }

  async #end(id: string, signal: NodeJS.Signals): Promise<number | null> {
    const gone = this.exited(id)
    this.#children.get(id)!.kill(signal)
    return gone
  }

  /** `GET` on the front's admin API. */
  async get<P extends ReadPath>(path: P): Promise<AdminApi[`GET ${P}`]>
  async get(path: string): Promise<unknown>
  async get(path: string): Promise<unknown> {
    const response = await fetch(`http://${this.adminAddress}${path}`)
    const body: unknown = await response.json()
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${JSON.stringify(body)}`)
    return body
  }

  /** `POST` on the front's admin API: status and body. */
  async post(path: string, body: unknown = {}): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`http://${this.adminAddress}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: await response.json() }
  }

  /** The end of every process's log: for the message of a failed test. */
  logs(lines = 30): string {
    return [...this.#children.keys()]
      .map((id) => {
        const log = readFileSync(join(this.dir, `${id}.log`), 'utf8')
        return `--- ${id}\n${log.split('\n').slice(-lines).join('\n')}`
      })
      .join('\n')
  }

  /** Ends every process; its folder, with logs and store, stays when it is to be looked at. */
  async stop({ keep = false } = {}): Promise<void> {
    const ends = [...this.#children].map(async ([id, child]) => {
      const gone = this.exited(id)
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 8_000)
      await gone
      clearTimeout(timer)
    })
    await Promise.all(ends)
    if (!keep) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }
}
