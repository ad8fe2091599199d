import { AriesError } from '../errors.ts'
import type { GossipDriver, Member } from '../gossip/types.ts'
import type { Logger } from '../log.ts'
import type { Peers } from '../peers.ts'
import type { Rpc } from '../rpc.ts'
import { sample, sleep, type TimerHandle, type World } from '../world.ts'
import type { NodeInit } from './node-init.ts'

/** So long a starting node looks for one that lets it in. */
const JOIN_TIMEOUT_MS = 30_000
const ASK_TIMEOUT_MS = 2_000
const RETRY_MS = 500
/** How often it looks whether it is still known. */
const LOOK_INTERVAL_MS = 5_000

type Components = { peers: Peers; gossip: GossipDriver; log: Logger; world: World }
type Told = Omit<Rpc['join']['params'], 'boot'>

/** Of a node that joins; undefined of one that the map has. */
export function joinerOf(
  components: Components,
  { joins, config, entry }: NodeInit,
): Joiner | undefined {
  const { id, host, gossip, data, admin } = entry
  const { cluster } = config.map
  return joins ? new Joiner(components, { id, host, gossip, data, admin, cluster }) : undefined
}

/**
 * The way into the cluster of a node that the map does not have: any node of the map (its seeds) is
 * told where it is, and tells all. Should it have been forgotten meanwhile, because it was cut off for
 * long, it says so again.
 */
export class Joiner {
  readonly #peers: Peers
  readonly #gossip: GossipDriver
  readonly #log: Logger
  readonly #world: World
  readonly #params: Told
  #timer: TimerHandle | undefined
  #stopped = false

  constructor(components: Components, init: Told) {
    this.#peers = components.peers
    this.#gossip = components.gossip
    this.#log = components.log
    this.#world = components.world
    this.#params = init
  }

  /**
   * Resolves when a seed has let it in. Rejects with `ARIES_E_JOIN_REFUSED` when one says no, and
   * with `ARIES_E_NO_NODE` when none answers in 30 s.
   */
  async start(): Promise<void> {
    const { clock } = this.#world
    const untilMs = clock.nowMs() + JOIN_TIMEOUT_MS
    while (!(await this.#ask()) && !this.#stopped) {
      if (clock.nowMs() > untilMs) {
        const ids = this.#seeds().map(({ id }) => id)
        const words = `no node of the map answers: ${ids.join(', ')}; ${this.#params.id} cannot join`
        throw new AriesError('ARIES_E_NO_NODE', words)
      }
      await sleep(clock, RETRY_MS)
    }
    this.#plan()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #plan(): void {
    if (this.#stopped) return
    this.#timer = this.#world.clock.after(LOOK_INTERVAL_MS, () => void this.#look())
  }

  async #look(): Promise<void> {
    const isKnown = this.#seeds().some(({ state }) => state === 'alive' || state === 'suspect')
    try {
      if (!isKnown && (await this.#ask())) this.#log.warn('nobody was heard: joined anew')
    } catch (error) {
      this.#log.warn({ err: error }, 'nobody is heard, and it cannot join anew')
    }
    this.#plan()
  }

  /** False when no seed answers. */
  async #ask(): Promise<boolean> {
    const boot = this.#gossip.member(this.#gossip.selfId)?.boot ?? 0
    const seeds = this.#seeds()
    for (const { id } of sample(this.#world.random, seeds, seeds.length)) {
      try {
        const params = { ...this.#params, boot }
        await this.#peers.call(id, 'join', params, { timeoutMs: ASK_TIMEOUT_MS })
        this.#log.info({ seed: id }, 'joined')
        return true
      } catch (error) {
        const { code } = error as AriesError
        if (code !== 'ARIES_E_NODE_UNREACHABLE') throw error
      }
      if (this.#stopped) return true
    }
    return false
  }

  #seeds(): Member[] {
    return this.#gossip.members().filter(({ role, joined }) => role === 'node' && !joined)
  }
}
