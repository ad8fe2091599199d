import { AriesError } from '../errors.ts'
import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { TimerHandle, World } from '../world.ts'
import { Backoff } from './backoff.ts'
import type { HostClient } from './host-client.ts'

/** A process whose worker has not come by then is ended: longer than any move may take. */
const UNUSED_MS = 80_000
/** A crash so long ago does not delay the next start. */
const REMEMBERED_MS = 60_000

export interface OwnHostsInit {
  /** Makes the process, not yet started. */
  readonly make: (worker: WorkerId, generation: number) => HostClient
  readonly start: (host: HostClient) => Promise<void>
  /** Ends a process that its worker has left, when what was on its way to it is answered. */
  readonly retire: (host: HostClient) => void
  /** Processes at a time; a deploy may start others in their place. */
  readonly max: number
}

/** Workers of classes with `isolation: process`: each has a host process to itself. */
export class OwnHosts {
  readonly #world: World
  readonly #init: OwnHostsInit
  /** The newest process of each worker. */
  readonly #hosts = new Map<string, HostClient>()
  readonly #starting = new Map<string, Promise<HostClient>>()
  readonly #unused = new Map<HostClient, TimerHandle>()
  /** Of workers whose process crashed: another is not started before then. */
  readonly #crashes = new Map<string, { backoff: Backoff; untilMs: number }>()

  constructor(components: { world: World }, init: OwnHostsInit) {
    this.#world = components.world
    this.#init = init
  }

  /** The process of the worker, started when there is none. */
  get(id: WorkerId, generation: number): Promise<HostClient> {
    const name = formatWorkerId(id)
    const host = this.#hosts.get(name)
    if (host && host.port !== 0 && !host.retiring) return Promise.resolve(host)
    let starting = this.#starting.get(name)
    if (!starting) {
      // Whoever may choose keys could have the machine's memory filled with processes.
      if (this.#hosts.size + this.#starting.size >= this.#init.max) {
        const words = `this node has ${this.#init.max} host processes of single workers`
        return Promise.reject(new AriesError('ARIES_E_NO_TARGET', words))
      }
      starting = this.#start(id, generation).finally(() => this.#starting.delete(name))
      this.#starting.set(name, starting)
    }
    return starting
  }

  /** Another process for the worker, of newer code; the worker is to move into it. */
  renew(id: WorkerId, generation: number): Promise<HostClient> {
    const host = this.#hosts.get(formatWorkerId(id))
    return host?.generation === generation && host.port !== 0
      ? Promise.resolve(host)
      : this.#start(id, generation)
  }

  /** The worker is there: the process is used. */
  used(host: HostClient): void {
    this.#unused.get(host)?.cancel()
    this.#unused.delete(host)
  }

  /** The worker has left the process, or never came. */
  left(host: HostClient): void {
    this.used(host)
    if (host.retiring) return
    this.#forget(host)
    this.#init.retire(host)
  }

  down(host: HostClient, ranMs: number): void {
    this.used(host)
    this.#forget(host)
    if (host.retiring || !host.own) return
    const name = formatWorkerId(host.own)
    this.#tidy()
    const crashes = this.#crashes.get(name) ?? { backoff: new Backoff(), untilMs: 0 }
    crashes.untilMs = this.#world.clock.nowMs() + crashes.backoff.delayMs(ranMs)
    this.#crashes.set(name, crashes)
  }

  clear(): void {
    for (const timer of this.#unused.values()) timer.cancel()
    this.#unused.clear()
    this.#hosts.clear()
    this.#crashes.clear()
  }

  async #start(id: WorkerId, generation: number): Promise<HostClient> {
    const name = formatWorkerId(id)
    if ((this.#crashes.get(name)?.untilMs ?? 0) > this.#world.clock.nowMs()) {
      throw new AriesError('ARIES_E_NO_TARGET', `the host process of ${name} has just crashed`)
    }
    const host = this.#init.make(id, generation)
    await this.#init.start(host)
    this.#hosts.set(name, host)
    this.#unused.set(
      host,
      this.#world.clock.after(UNUSED_MS, () => this.left(host)),
    )
    return host
  }

  /** Whoever chooses keys could have crashes of ever more workers remembered. */
  #tidy(): void {
    const nowMs = this.#world.clock.nowMs()
    for (const [name, { untilMs }] of this.#crashes) {
      if (untilMs + REMEMBERED_MS < nowMs) this.#crashes.delete(name)
    }
  }

  #forget(host: HostClient): void {
    const name = host.own && formatWorkerId(host.own)
    if (name === undefined || this.#hosts.get(name) !== host) return
    this.#hosts.delete(name)
    if (host.retiring) this.#crashes.delete(name)
  }
}
