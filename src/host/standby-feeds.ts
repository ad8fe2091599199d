/** The owner's end: has the workers of this host followed by standbys on other nodes. */
import type { Tokens } from '../auth.ts'
import type { Logger } from '../log.ts'
import { rendezvous } from '../placement/rendezvous.ts'
import type { HostAddress } from '../wire.ts'
import type { Clock, TimerHandle } from '../world.ts'
import type { OpenWorker } from './open-worker.ts'
import { StandbyLink } from './standby-link.ts'

/** Between a standby that was lost or refused and the next attempt. */
const RETRY_MS = 1_000

export interface StandbyFeedsComponents {
  readonly clock: Clock
  readonly log: Logger
  /** What `standbyOf` says of the worker has changed. */
  readonly onChanged: (worker: OpenWorker) => void
}

export interface StandbyFeedsInit {
  readonly node: string
  readonly tokens: Pick<Tokens, 'shown'>
  /** Whether the workers of a class have a standby. */
  readonly hasStandby: (className: string) => boolean
}

export class StandbyFeeds {
  readonly #c: StandbyFeedsComponents
  readonly #init: StandbyFeedsInit
  readonly #workers = new Map<OpenWorker, StandbyLink | undefined>()
  readonly #links = new Map<string, StandbyLink>()
  #hosts: readonly HostAddress[] = []
  #retry: TimerHandle | undefined
  #stopped = false

  constructor(components: StandbyFeedsComponents, init: StandbyFeedsInit) {
    this.#c = components
    this.#init = init
  }

  /** The node that has a copy of the worker in step with it, if any. */
  standbyOf(worker: OpenWorker): string | undefined {
    const link = this.#workers.get(worker)
    return link?.isLive(worker) ? link.to.node : undefined
  }

  /** The hosts of the other nodes that may take workers now. */
  setHosts(hosts: readonly HostAddress[]): void {
    this.#hosts = hosts
    this.#assignAll()
  }

  /** The worker is open here. */
  opened(worker: OpenWorker): void {
    if (!this.#init.hasStandby(worker.id.class)) return
    this.#workers.set(worker, undefined)
    this.#assign(worker)
  }

  /** The worker is not here any more. */
  closed(worker: OpenWorker): void {
    this.#workers.get(worker)?.unfollow(worker)
    this.#workers.delete(worker)
  }

  /** The options of the classes changed. */
  reconfigure(open: Iterable<OpenWorker>): void {
    for (const worker of open) {
      const wanted = this.#init.hasStandby(worker.id.class)
      if (wanted && !this.#workers.has(worker)) this.opened(worker)
      else if (!wanted && this.#workers.has(worker)) this.closed(worker)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
    this.#workers.clear()
    for (const link of this.#links.values()) link.destroy()
  }

  #assignAll(): void {
    for (const worker of this.#workers.keys()) this.#assign(worker)
  }

  #assign(worker: OpenWorker): void {
    const to = rendezvous(worker.name, this.#hosts, ({ node }) => node)
    const current = this.#workers.get(worker)
    if (current && current.to.node === to?.node && current.to.port === to.port) return
    current?.unfollow(worker)
    const link = to && this.#linkTo(to)
    this.#workers.set(worker, link)
    link?.follow(worker)
  }

  #linkTo(to: HostAddress): StandbyLink {
    const name = `${to.node} ${to.port}`
    let link = this.#links.get(name)
    if (!link) {
      const { node, tokens } = this.#init
      link = new StandbyLink(
        { ...this.#c, onLost: (workers) => this.#lost(name, workers) },
        { node, to, token: tokens.shown },
      )
      this.#links.set(name, link)
    }
    return link
  }

  /** Workers lost their standby: with the whole link, when all of it is gone. */
  #lost(name: string, workers: readonly OpenWorker[] | 'all'): void {
    const link = this.#links.get(name)
    if (workers === 'all') this.#links.delete(name)
    for (const [worker, current] of this.#workers) {
      if (current !== link || (workers !== 'all' && !workers.includes(worker))) continue
      this.#workers.set(worker, undefined)
      this.#c.onChanged(worker)
    }
    if (this.#stopped || this.#retry) return
    this.#retry = this.#c.clock.after(RETRY_MS, () => {
      this.#retry = undefined
      this.#assignAll()
    })
  }
}
