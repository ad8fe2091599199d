import { formatWorkerId, type WorkerId } from '../identity.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Ownership } from './ownership.ts'
import type { Placer } from './placer.ts'

const PAGE = 200
const CONCURRENCY = 4

export interface TakeoverComponents {
  readonly store: Store
  readonly ownership: Ownership
  readonly placer: Placer
  readonly log: Logger
}

/**
 * Gives the workers of a dead node new owners in the background, spread by cost. Whatever a
 * request needs sooner, `resolve` has claimed meanwhile; whatever this process does not finish,
 * because it dies too, the next request does.
 */
export class Takeover {
  readonly #c: TakeoverComponents
  #stopped = false
  #count = 0

  constructor(components: TakeoverComponents) {
    this.#c = components
  }

  /** Workers taken over since the start. */
  get count(): number {
    return this.#count
  }

  stop(): void {
    this.#stopped = true
  }

  async run(node: string): Promise<void> {
    try {
      await this.#takeAll(node)
    } catch (error) {
      this.#c.log.error({ err: error, node }, 'takeover failed; requests will do the rest')
    }
  }

  async #takeAll(node: string): Promise<void> {
    let taken = 0
    let after: WorkerId | undefined
    for (;;) {
      const page = await this.#c.store.ownedBy(node, PAGE, after)
      const queue = page.filter((record) => !record.ownerActive).map((record) => record.id)
      const lane = async (): Promise<void> => {
        for (let id = queue.shift(); id && !this.#stopped; id = queue.shift()) {
          if (await this.#take(id, node)) taken++
        }
      }
      await Promise.all(Array.from({ length: CONCURRENCY }, lane))
      after = page.at(-1)?.id
      if (page.length < PAGE || this.#stopped) break
    }
    this.#c.log.info({ node, taken }, 'took over the workers of a dead node')
  }

  async #take(id: WorkerId, lastOwner: string): Promise<boolean> {
    try {
      await this.#c.placer.prepare(id)
      const decision = this.#c.placer.failover(id, lastOwner)
      if (decision.chosen === undefined) return false
      await this.#c.ownership.activateAt(id, decision)
      this.#count++
      return true
    } catch (error) {
      this.#c.log.debug({ worker: formatWorkerId(id), err: error }, 'not taken over now')
      return false
    }
  }
}
