import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { OwnerRecord } from '../store/store.ts'
import type { HostClient } from './host-client.ts'

export interface OpenEntry {
  readonly id: WorkerId
  readonly epoch: number
  /** The host process that it lives in. */
  readonly host: HostClient
}

/**
 * Which workers are open on this node, and in which of its host processes. The processes tell in
 * any order of what went from one of them to the other; the higher epoch counts.
 */
export class OpenWorkers {
  readonly #open = new Map<string, OpenEntry>()
  /** Epochs of this incarnation that may not be resumed: a commit under them may be under way. */
  readonly #spent = new Map<string, number>()
  /** How many there are of each class. */
  readonly #classes = new Map<string, number>()
  readonly #inhabited: (host: HostClient, isOpen: boolean, id: WorkerId) => void

  /** `inhabited` hears that a process has got a worker, or has one no more. */
  constructor(
    inhabited: (host: HostClient, isOpen: boolean, id: WorkerId) => void = () => undefined,
  ) {
    this.#inhabited = inhabited
  }

  get count(): number {
    return this.#open.size
  }

  /** How many there are of each class. */
  get classes(): ReadonlyMap<string, number> {
    return this.#classes
  }

  all(): IterableIterator<OpenEntry> {
    return this.#open.values()
  }

  /** Those of one process. */
  in(host: HostClient): OpenEntry[] {
    return Array.from(this.#open.values()).filter((entry) => entry.host === host)
  }

  get(id: WorkerId): OpenEntry | undefined {
    return this.#open.get(formatWorkerId(id))
  }

  has(id: WorkerId): boolean {
    return this.#open.has(formatWorkerId(id))
  }

  /** The process has it open: it was told to open it, or a move brought it there. */
  opened(host: HostClient, id: WorkerId, epoch: number): void {
    const name = formatWorkerId(id)
    const known = this.#open.get(name)
    // The last words of a process that has ended: the worker ended with it.
    if (host.port === 0 || (known && known.epoch >= epoch)) return
    if (!known) this.#count(id, 1)
    this.#open.set(name, { id, epoch, host })
    this.#inhabited(host, true, id)
  }

  /** The process has it no more. `inDoubt`: its last commit may or may not be applied. */
  gone(host: HostClient, id: WorkerId, inDoubt: boolean): void {
    const name = formatWorkerId(id)
    const known = this.#open.get(name)
    this.#inhabited(host, false, id)
    if (known?.host !== host) return
    if (inDoubt) this.spend(id, known.epoch)
    this.#close(id)
  }

  /** It is not opened under that epoch any more. */
  spend(id: WorkerId, epoch: number): void {
    this.#spent.set(formatWorkerId(id), epoch)
  }

  /** The process has ended. What it had is claimed anew: nobody else may open it under its epoch. */
  down(host: HostClient): void {
    for (const { id } of this.in(host)) this.#close(id)
  }

  /** The incarnation is void, and with it every claim. */
  clear(): void {
    this.#open.clear()
    this.#classes.clear()
    this.#spent.clear()
  }

  /**
   * Whether the process may open the worker under the record's epoch, which this incarnation owns.
   * A move brought it there and the process is about to say so: another claim would throw its
   * instance, and its sessions, away.
   */
  mayOpen(host: HostClient, record: OwnerRecord): boolean {
    if (record.host !== host.id) return false
    return record.epoch > (this.#spent.get(formatWorkerId(record.id)) ?? 0)
  }

  /** It was claimed anew. */
  claimed(id: WorkerId): void {
    this.#spent.delete(formatWorkerId(id))
  }

  #close(id: WorkerId): void {
    if (this.#open.delete(formatWorkerId(id))) this.#count(id, -1)
  }

  #count({ class: name }: WorkerId, more: 1 | -1): void {
    const count = (this.#classes.get(name) ?? 0) + more
    if (count === 0) this.#classes.delete(name)
    else this.#classes.set(name, count)
  }
}
