import { machineMs, VOUCH_INTERVAL_MS } from '../host/vouch.ts'
import type { TimerHandle, World } from '../world.ts'
import type { HostClient } from './host-client.ts'
import type { Lease } from './lease.ts'

/** A control loop that comes round later than this may have been taken for dead. */
const PAUSED_MS = 300
/** So long after a pause an eviction may still be under way: each vouching asks the store. */
const DOUBT_MS = 2_000

/** Tells the host, again and again, that the node's incarnation holds: see `src/host/vouch.ts`. */
export class Voucher {
  readonly #lease: Lease
  readonly #host: HostClient
  readonly #world: World
  #lastMs = 0
  #doubtUntilMs = 0
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(components: { lease: Lease; host: HostClient; world: World }) {
    this.#lease = components.lease
    this.#host = components.host
    this.#world = components.world
  }

  start(): void {
    this.#lastMs = this.#world.clock.nowMs()
    void this.#again()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #again(): Promise<void> {
    await this.#vouch()
    if (this.#stopped) return
    this.#timer = this.#world.clock.after(VOUCH_INTERVAL_MS, () => void this.#again())
  }

  async #vouch(): Promise<void> {
    const atMs = machineMs()
    const nowMs = this.#world.clock.nowMs()
    if (nowMs - this.#lastMs > PAUSED_MS) this.#doubtUntilMs = nowMs + DOUBT_MS
    const doubted = nowMs < this.#doubtUntilMs
    const holds = doubted ? await this.#lease.confirm() : this.#lease.incarnation !== 0
    if (holds) this.#host.vouch(atMs)
    this.#lastMs = nowMs
  }
}
