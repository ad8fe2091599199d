import type { Membership } from '../gossip/types.ts'
import { machineMs, VOUCH_INTERVAL_MS } from '../host/vouch.ts'
import type { TimerHandle, World } from '../world.ts'
import type { Hosts } from './hosts.ts'
import { isAlone } from './last-word.ts'
import type { Lease } from './lease.ts'

/** A control loop that comes round later than this may have been taken for dead. */
const PAUSED_MS = 300
/** So long after a pause an eviction may still be under way, whatever the store said just now. */
const DOUBT_MS = 2_000

/** Tells the hosts, again and again, that the node's incarnation holds: see `src/host/vouch.ts`. */
export class Voucher {
  readonly #lease: Lease
  readonly #hosts: Hosts
  readonly #gossip: Pick<Membership, 'members' | 'selfId'>
  readonly #world: World
  #lastMs = 0
  #doubtUntilMs = 0
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(components: {
    lease: Lease
    hosts: Hosts
    gossip: Pick<Membership, 'members' | 'selfId'>
    world: World
  }) {
    this.#lease = components.lease
    this.#hosts = components.hosts
    this.#gossip = components.gossip
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
    this.#lastMs = nowMs
    if (nowMs < this.#doubtUntilMs) {
      // It tells soon whether that has happened; that it has not tells nothing.
      await this.#lease.confirm()
    } else if (this.#lease.incarnation !== 0 && !isAlone(this.#gossip, 'node')) {
      // A node that hears no other may be dead to them.
      this.#hosts.vouch(atMs)
    }
  }
}
