import { isMinority, quorumOf } from '../gossip/quorum.ts'
import type { Membership } from '../gossip/types.ts'
import { isRefused, type Peers } from '../peers.ts'
import { sleep, type World } from '../world.ts'

/** A node that gossip calls unreachable has left a ping unanswered for this long when it is evicted. */
export const LAST_WORD_MS = 500
/**
 * How long the silence counts: a node that comes back has its reads confirmed by the store for
 * longer than these two together (`DOUBT_MS` of the voucher).
 */
const USABLE_MS = 1_000
export interface LastWordInit {
  readonly waitMs: number
  readonly usableMs: number
}

/** Between two tries when a connection fails without having proved anything. */
const RETRY_MS = 50

export interface LastWordComponents {
  readonly membership: Pick<Membership, 'members' | 'selfId'>
  readonly peers: Pick<Peers, 'call'>
  readonly world: World
}

/**
 * The last word of a node that may be dead. Asked for as soon as gossip suspects the node, it has
 * been awaited when the suspicion has become a verdict.
 */
export class LastWord {
  readonly #c: LastWordComponents
  readonly #init: LastWordInit
  readonly #asked = new Map<string, Promise<boolean>>()

  constructor(
    components: LastWordComponents,
    init: LastWordInit = { waitMs: LAST_WORD_MS, usableMs: USABLE_MS },
  ) {
    this.#c = components
    this.#init = init
  }

  /** False: nobody listens there, or it has not answered for `waitMs`. */
  async spoken(node: string): Promise<boolean> {
    // Who hears nobody, or few, cannot tell their silence from its own.
    const { membership } = this.#c
    const isCutOff =
      isAlone(membership, 'node', 'front') || isMinority(quorumOf(membership.members()))
    if (isCutOff) return !(await this.#refuses(node))
    const asked = this.#asked.get(node)
    if (asked) return asked
    const asking = this.#ask(node)
    this.#asked.set(node, asking)
    void asking.then((spoken) => {
      this.#c.world.clock.after(spoken ? 0 : this.#init.usableMs, () => this.#asked.delete(node))
    })
    return asking
  }

  async #ask(node: string): Promise<boolean> {
    const { clock } = this.#c.world
    const { waitMs } = this.#init
    const untilMs = clock.nowMs() + waitMs
    for (let leftMs = waitMs; leftMs > 0; leftMs = untilMs - clock.nowMs()) {
      try {
        await this.#c.peers.call(node, 'ping', {}, { timeoutMs: Math.ceil(leftMs) })
        return true
      } catch (error) {
        if (isRefused(error)) return false
      }
      await sleep(clock, Math.min(RETRY_MS, Math.max(0, untilMs - clock.nowMs())))
    }
    return false
  }

  async #refuses(node: string): Promise<boolean> {
    try {
      await this.#c.peers.call(node, 'ping', {}, { timeoutMs: this.#init.waitMs })
      return false
    } catch (error) {
      return isRefused(error)
    }
  }
}

/** True when none of the other members of these roles is known to be there, and there are others. */
export function isAlone(
  membership: Pick<Membership, 'members' | 'selfId'>,
  ...roles: readonly ('node' | 'front')[]
): boolean {
  const others = membership
    .members()
    .filter(
      ({ id, role, state }) => id !== membership.selfId && state !== 'left' && roles.includes(role),
    )
  return others.length > 0 && others.every(({ state }) => state !== 'alive')
}
