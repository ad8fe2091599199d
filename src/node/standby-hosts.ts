import type { Hosts } from './hosts.ts'
import type { Placer } from './placer.ts'

export interface StandbyHostsInit {
  /** Whether any class has standbys. */
  readonly wanted: () => boolean
}

/** Tells the hosts of this node where the standbys of their workers may be, when that changes. */
export class StandbyHosts {
  readonly #placer: Placer
  readonly #hosts: Hosts
  readonly #wanted: () => boolean
  #told = '[]'

  constructor(components: { placer: Placer; hosts: Hosts }, init: StandbyHostsInit) {
    this.#placer = components.placer
    this.#hosts = components.hosts
    this.#wanted = init.wanted
  }

  /** To be called often: does nothing when nothing has changed. */
  refresh(): void {
    const hosts = this.#wanted() ? this.#placer.standbyHosts() : []
    const text = JSON.stringify(hosts)
    if (text === this.#told) return
    this.#told = text
    this.#hosts.setStandbyHosts(hosts)
  }
}
