import type { Logger } from '../log.ts'
import type { Hosts } from './hosts.ts'

/** From this silence of a host on, the node is not ready and says so. */
const NOTED_MS = 3_000
/** On top of the longest turn: then the host process is replaced. */
const MARGIN_MS = 2_000

/** Watches for a turn that never ends: nothing within its process can end it. */
export class HostWatch {
  readonly #hosts: Hosts
  readonly #log: Logger
  readonly #turnMs: () => number

  /** `turnMs`: the longest that a turn may take. */
  constructor(components: { hosts: Hosts; log: Logger }, init: { turnMs: () => number }) {
    this.#hosts = components.hosts
    this.#log = components.log
    this.#turnMs = init.turnMs
  }

  /** Why the node is not ready; undefined while its hosts answer. */
  get note(): string | undefined {
    const ms = Math.max(0, ...this.#hosts.serving.map(({ silence }) => silence.ms))
    if (ms < NOTED_MS) return undefined
    return `the host process has not answered for ${Math.round(ms / 1_000)} s: a worker blocks it`
  }

  /** Another round of `roundMs` went by. */
  round(roundMs: number): void {
    for (const host of this.#hosts.all) {
      if (host.port === 0) continue
      host.silence.tick(roundMs)
      if (host.silence.ms < this.#turnMs() + MARGIN_MS) continue
      host.silence.ended()
      this.#log.error({ child: 'host' }, 'a worker blocks the host process, it is replaced')
      host.kill()
    }
  }
}
