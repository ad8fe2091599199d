import type { Logger } from '../../log.ts'
import type { Gossip } from '../gossip.ts'
import type { LoadVector } from '../types.ts'

const LOOK_INTERVAL_MS = 250
/** Two beats that did not come: the loop is late, and its load says so from then on. */
const LATE_MS = 600
/** So long a control loop may be blocked and the member still be alive to the others. */
export const BLOCKED_MS_MAX = 10_000

/**
 * The main loop of the process, as its gossip thread sees it. While it is blocked the member answers
 * all the same, and tells how far behind it is. One that stays blocked is of no use to anybody: then
 * the member falls silent, so that the others find it dead and take over, until the loop turns again.
 */
export class MainLoop {
  readonly #gossip: Gossip
  readonly #log: Logger
  #load: LoadVector | undefined
  #beatMs = performance.now()
  #isSilent = false
  #timer: NodeJS.Timeout | undefined

  constructor(components: { gossip: Gossip; log: Logger }) {
    this.#gossip = components.gossip
    this.#log = components.log
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    if (this.#isSilent) this.beat()
  }

  /** It turns. */
  beat(): void {
    this.#beatMs = performance.now()
    if (!this.#isSilent) return
    this.#isSilent = false
    this.#log.warn('the main loop turns again')
    this.#gossip.setSilent(false)
  }

  setLoad(load: LoadVector): void {
    this.#load = load
    this.#gossip.setLoad(load)
  }

  #look(): void {
    const lateMs = performance.now() - this.#beatMs
    if (lateMs < LATE_MS || this.#isSilent) return
    if (this.#load) this.#gossip.setLoad({ ...this.#load, lagMs: Math.round(lateMs) })
    if (lateMs < BLOCKED_MS_MAX) return
    this.#isSilent = true
    this.#log.error(`the main loop has been blocked for ${BLOCKED_MS_MAX / 1_000} s: silent now`)
    this.#gossip.setSilent(true)
  }
}
