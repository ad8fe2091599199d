import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WorkerId } from '../../src/identity.ts'
import { createLogger } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { OwnerAddress } from '../../src/wire.ts'
import { type HostOptions, HostProcess } from './host-process.ts'

const LEASE_MS = 600_000

/** Some host processes on one SQLite store. */
export class Hosts {
  readonly url: string
  readonly store: Store
  readonly all: HostProcess[] = []
  readonly #folder: string

  constructor(folder: string, url: string, store: Store) {
    this.#folder = folder
    this.url = url
    this.store = store
  }

  static async start(
    t: { teardown: (end: () => Promise<void>) => void },
    nodes: readonly string[],
    options: Partial<HostOptions> = {},
  ): Promise<Hosts> {
    const folder = mkdtempSync(join(tmpdir(), 'aries-host-'))
    const url = `sqlite:${join(folder, 'aries.db')}`
    const log = createLogger({ role: 'cli', id: 'test' }, 'silent')
    const hosts = new Hosts(folder, url, await openStore({ log }, url))
    t.teardown(() => hosts.stop())
    await Promise.all(nodes.map((node) => hosts.add(node, options)))
    return hosts
  }

  get(node: string): HostProcess {
    return this.all.find((host) => host.node === node)!
  }

  async add(node: string, options: Partial<HostOptions> = {}): Promise<HostProcess> {
    const incarnation = await this.store.register(node, LEASE_MS)
    const host = await HostProcess.start(node, { store: this.url, incarnation, ...options })
    host.onResolve = (id: WorkerId) => this.#resolve(id)
    this.all.push(host)
    return host
  }

  /** Who owns the worker, as the store says; a worker without an owner comes to the first host. */
  async #resolve(id: WorkerId): Promise<OwnerAddress> {
    const owner = await this.store.owner(id)
    if (!owner) {
      await this.create(id, this.all[0]!.node)
      return this.#resolve(id)
    }
    return { ...this.get(owner.node).address, epoch: owner.epoch }
  }

  /** Creates a worker on a node and opens it there. */
  async create(id: WorkerId, node: string): Promise<void> {
    await this.takeOver(id, 0, node)
  }

  /** Claims a worker whose owner is gone, and opens it. */
  async takeOver(id: WorkerId, fromEpoch: number, node: string): Promise<void> {
    const claim = { id, fromEpoch, node, host: 1, incarnation: await this.incarnation(node) }
    const result = await this.store.claim({ ...claim, mode: 'takeover' })
    if (!result.ok) throw new Error(`claim: ${result.reason}`)
    await this.get(node).open(id, result.epoch)
  }

  async incarnation(node: string): Promise<number> {
    const record = (await this.store.nodes()).find(({ id }) => id === node)
    return record!.incarnation
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((host) => host.kill()))
    await this.store.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
