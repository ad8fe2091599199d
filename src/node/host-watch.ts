import type { Logger } from '../log.ts'
import type { HostClient } from './host-client.ts'

/** From this silence of the host on, the node is not ready and says so. */
const NOTED_MS = 3_000
/** On top of the longest turn: then the host process is replaced. */
const MARGIN_MS = 2_000

/** Watches for a turn that never ends: nothing within its process can end it. */
export class HostWatch {
  readonly #host: HostClient
  readonly #log: Logger
  readonly #turnMs: () => number

  /** `turnMs`: the longest that a turn may take. */
  constructor(components: { host: HostClient; log: Logger }, init: { turnMs: () => number }) {
    this.#host = components.host
    this.#log = components.log
    this.#turnMs = init.turnMs
  }

  /** Why the node is not ready; undefined while the host answers. */
  get note(): string | undefined {
    const { ms } = this.#host.silence
    if (ms < NOTED_MS) return undefined
    return `the host process has not answered for ${Math.round(ms / 1_000)} s: a worker blocks it`
  }

  /** Another round of `roundMs` went by. */
  round(roundMs: number): void {
    if (this.#host.port === 0) return
    const { silence } = this.#host
    silence.tick(roundMs)
    if (silence.ms < this.#turnMs() + MARGIN_MS) return
    silence.ended()
    this.#log.error({ child: 'host' }, 'a worker blocks the host process, it is replaced')
    this.#host.restart()
  }
}
